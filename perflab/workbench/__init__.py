"""The workbench from Python: run sweeps, open, list and compare them, gate them."""

from perflab.workbench.comparing import common_ab, compare, comparison_place, parse_share
from perflab.workbench.gating import Check, check, open_baseline, set_baseline
from perflab.workbench.sweeps import list_sweeps, open_sweep, runs_folder, sweep

__all__ = [
    "Check",
    "check",
    "common_ab",
    "compare",
    "comparison_place",
    "list_sweeps",
    "open_baseline",
    "open_sweep",
    "parse_share",
    "runs_folder",
    "set_baseline",
    "sweep",
]
