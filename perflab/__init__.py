"""perflab turns any Locust file into a result that can be trusted.

    import perflab

    sweep = perflab.sweep("http://localhost:8000", users=[100, 250], duration="30s")
    sweep.verdict            # 'PASS', 'FAIL', 'INVALID' or 'INCONCLUSIVE'
    sweep.groups             # a DataFrame: rates and percentiles by user count and group of endpoints
    perflab.open_sweep("latest").latency
    perflab.compare("20261122T103000Z-before", "latest").headline

Names are imported when they are first used: the code that runs inside Locust must never load pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perflab.analyse.bounds import PercentileBounds, RateBounds, percentile_bounds, rate_bounds
    from perflab.analyse.comparison.compare_runs import compare_runs
    from perflab.analyse.comparison.sweeps import SweepComparison
    from perflab.analyse.sweep import Sweep
    from perflab.errors import LocustfileError, PerflabError, StoreError, TargetError, UsageError
    from perflab.workbench import ab, compare, demo, init, list_sweeps, open_sweep, sweep

__all__ = [
    "LocustfileError",
    "PercentileBounds",
    "PerflabError",
    "RateBounds",
    "StoreError",
    "Sweep",
    "SweepComparison",
    "TargetError",
    "UsageError",
    "ab",
    "compare",
    "compare_runs",
    "demo",
    "init",
    "list_sweeps",
    "open_sweep",
    "percentile_bounds",
    "rate_bounds",
    "sweep",
]

_HOMES = {
    "PercentileBounds": "perflab.analyse.bounds",
    "RateBounds": "perflab.analyse.bounds",
    "Sweep": "perflab.analyse.sweep",
    "SweepComparison": "perflab.analyse.comparison.sweeps",
    "ab": "perflab.workbench",
    "compare": "perflab.workbench",
    "compare_runs": "perflab.analyse.comparison.compare_runs",
    "demo": "perflab.workbench",
    "init": "perflab.workbench",
    "list_sweeps": "perflab.workbench",
    "open_sweep": "perflab.workbench",
    "percentile_bounds": "perflab.analyse.bounds",
    "rate_bounds": "perflab.analyse.bounds",
    "sweep": "perflab.workbench",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'perflab' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "perflab.errors")), name)


def __dir__() -> list[str]:
    return __all__
