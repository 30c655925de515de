"""The workbench from Python: run sweeps, open, list and compare them, gate them."""

from perflab.workbench.sweeps import list_sweeps, open_sweep, runs_folder, sweep

__all__ = ["list_sweeps", "open_sweep", "runs_folder", "sweep"]
