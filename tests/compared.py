"""Two recorded sweeps and their comparison, of shapes that pages and charts must cope with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.comparison.sweeps import SweepComparison, compare_sweeps
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Group, Objectives

LOAD: Mapping[str, Any] = {
    "users": (100,),
    "repeats": 5,
    "seconds": 8,
    "spawn_rate": 100.0,
    "per_user": 2.5,
    "run_cv": 0.02,
    "wire": True,
}
HOSTILE_GROUPS = ("$x^{", "<b>&_a_", "_a")
HOSTILE = Objectives(
    groups=tuple(
        Group(name=name, endpoints=(pattern,))
        for name, pattern in zip(HOSTILE_GROUPS, ("/api/v1/auth/*", "/api/v1/payments*", "*"), strict=True)
    )
)
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "four levels": {"users": (20, 40, 80, 160), "repeats": 3, "candidate": {"slowdown": {"payments": 1.4}}},
    "duet": {"users": (80, 160), "design": "duet", "candidate": {"slowdown": {"auth": 0.7}}},
    "equal": {"repeats": 12, "seconds": 4, "run_cv": 0.005, "failure_rate": 0.0, "margin": 0.1},
    "single runs": {"repeats": 1},
    "hostile": {"objectives": HOSTILE, "candidate": {"slowdown": {"auth": 1.5}}},
    "invalid": {"repeats": 3, "candidate": {"seed": 2}},
    "nothing in common": {"repeats": 2, "candidate": {"users": (40,)}},
}


def compared(folder: Path, shape: str) -> SweepComparison:
    """Record two sweeps under `folder` and compare them; `shape` is one of `SHAPES`."""
    given = dict(SHAPES[shape])
    objectives, changes = given.pop("objectives", None), given.pop("candidate", {})
    options = {name: given.pop(name) for name in ("design", "margin") if name in given}
    sides = [
        Sweep.open(write_recorded_sweep(folder, Load(**{**LOAD, **given, **side}), objectives, label=label))
        for label, side in (("before", {"system": 1}), ("after", {"system": 2, **changes}))
    ]
    return compare_sweeps(sides[0], sides[1], **options)
