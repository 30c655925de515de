"""perflab turns any Locust file into a result that can be trusted.

    import perflab

    sweep = perflab.sweep("http://localhost:8000", users=[100, 250], duration="30s")
    sweep.verdict            # 'PASS', 'FAIL', 'INVALID' or 'INCONCLUSIVE'
    sweep.groups             # a DataFrame: rates and percentiles by level and group of endpoints
    perflab.open_sweep("latest").latency
    perflab.compare("20261122T103000Z-before", "latest").headline

Make load: `sweep`, `ab`, `demo`. Look at what was made: `list_sweeps`, `list_ab_comparisons`, `open_sweep`, `compare`,
`check`, `save`, `set_baseline`, `open_baseline`, and `chart` and `report` for notebooks. Set up: `init`, `doctor`,
`calibrate`. Statistics of anybody's samples: `compare_runs`, `percentile_bounds`, `rate_bounds`.

Names are imported when they are first used: the code that runs inside Locust must never load pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perflab import chart, report
    from perflab.analyse.bounds import PercentileBounds, RateBounds, percentile_bounds, rate_bounds
    from perflab.analyse.comparison.compare_runs import Comparison, compare_runs
    from perflab.analyse.comparison.sweeps import SweepComparison
    from perflab.analyse.sweep import Sweep
    from perflab.errors import LocustfileError, PerflabError, StoreError, TargetError, UsageError
    from perflab.readiness.examination import doctor
    from perflab.readiness.finding import Finding
    from perflab.store.calibration import Calibration
    from perflab.vocabulary.level import Level
    from perflab.vocabulary.verdict import Verdict
    from perflab.workbench.ab_comparison import ab
    from perflab.workbench.comparing import compare
    from perflab.workbench.gating import Check, check, open_baseline, set_baseline
    from perflab.workbench.listing import list_ab_comparisons, list_sweeps
    from perflab.workbench.saving import save
    from perflab.workbench.starting import Written, calibrate, demo, init
    from perflab.workbench.sweeps import open_sweep, sweep

    __version__: str

__all__ = [
    "Calibration",
    "Check",
    "Comparison",
    "Finding",
    "Level",
    "LocustfileError",
    "PercentileBounds",
    "PerflabError",
    "RateBounds",
    "StoreError",
    "Sweep",
    "SweepComparison",
    "TargetError",
    "UsageError",
    "Verdict",
    "Written",
    "__version__",
    "ab",
    "calibrate",
    "chart",
    "check",
    "compare",
    "compare_runs",
    "demo",
    "doctor",
    "init",
    "list_ab_comparisons",
    "list_sweeps",
    "open_baseline",
    "open_sweep",
    "percentile_bounds",
    "rate_bounds",
    "report",
    "save",
    "set_baseline",
    "sweep",
]

_HOMES = {
    "perflab": ("chart", "report"),
    "perflab.analyse.bounds": ("PercentileBounds", "RateBounds", "percentile_bounds", "rate_bounds"),
    "perflab.analyse.comparison.compare_runs": ("Comparison", "compare_runs"),
    "perflab.analyse.comparison.sweeps": ("SweepComparison",),
    "perflab.analyse.sweep": ("Sweep",),
    "perflab.errors": ("LocustfileError", "PerflabError", "StoreError", "TargetError", "UsageError"),
    "perflab.readiness.examination": ("doctor",),
    "perflab.readiness.finding": ("Finding",),
    "perflab.store.calibration": ("Calibration",),
    "perflab.vocabulary.level": ("Level",),
    "perflab.vocabulary.verdict": ("Verdict",),
    "perflab.workbench.ab_comparison": ("ab",),
    "perflab.workbench.comparing": ("compare",),
    "perflab.workbench.gating": ("Check", "check", "open_baseline", "set_baseline"),
    "perflab.workbench.listing": ("list_ab_comparisons", "list_sweeps"),
    "perflab.workbench.saving": ("save",),
    "perflab.workbench.starting": ("Written", "calibrate", "demo", "init"),
    "perflab.workbench.sweeps": ("open_sweep", "sweep"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'perflab' has no attribute {name!r}")
    if name == "__version__":
        from importlib import metadata

        return metadata.version("perflab")
    home = next(home for home, names in _HOMES.items() if name in names)
    return import_module(f"perflab.{name}") if home == "perflab" else getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
