"""The workbench from Python: run sweeps, open, list and compare them, gate them."""

from perflab.workbench.ab import ab
from perflab.workbench.comparing import common_ab, compare, compare_ab, comparison_place, list_ab_comparisons
from perflab.workbench.gating import Check, check, open_baseline, set_baseline
from perflab.workbench.starting import Written, calibrate, demo, init
from perflab.workbench.sweeps import list_sweeps, open_sweep, runs_folder, sweep

__all__ = [
    "Check",
    "Written",
    "ab",
    "calibrate",
    "check",
    "common_ab",
    "compare",
    "compare_ab",
    "comparison_place",
    "demo",
    "init",
    "list_ab_comparisons",
    "list_sweeps",
    "open_baseline",
    "open_sweep",
    "runs_folder",
    "set_baseline",
    "sweep",
]
