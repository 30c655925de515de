"""The workbench from Python: run sweeps, open, list and compare them, gate them. `perflab` has the verbs' names."""
