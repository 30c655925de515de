"""The workbench from Python: run sweeps, open, list and compare them, gate them. Names are imported when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perflab.workbench.ab_comparison import ab
    from perflab.workbench.comparing import compare, compare_ab
    from perflab.workbench.gating import Check, check, open_baseline, set_baseline
    from perflab.workbench.listing import list_ab_comparisons, list_sweeps, runs_folder
    from perflab.workbench.saving import save
    from perflab.workbench.starting import Written, calibrate, demo, init
    from perflab.workbench.sweeps import open_sweep, sweep

__all__ = [
    "Check",
    "Written",
    "ab",
    "calibrate",
    "check",
    "compare",
    "compare_ab",
    "demo",
    "init",
    "list_ab_comparisons",
    "list_sweeps",
    "open_baseline",
    "open_sweep",
    "runs_folder",
    "save",
    "set_baseline",
    "sweep",
]

_HOMES = {
    "comparing": ("compare", "compare_ab"),
    "gating": ("Check", "check", "open_baseline", "set_baseline"),
    "listing": ("list_ab_comparisons", "list_sweeps", "runs_folder"),
    "saving": ("save",),
    "starting": ("Written", "calibrate", "demo", "init"),
    "sweeps": ("open_sweep", "sweep"),
}
_HOME = {"ab": "ab_comparison", **{name: home for home, names in _HOMES.items() for name in names}}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
