"""What a sweep tells while it runs. Listeners get these in order; a listener's error ends the sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from perflab.drive.tail import LivePoint
from perflab.plan.plan import Plan
from perflab.store.layout import RunDir, SweepDir
from perflab.store.manifest import RunManifest


@dataclass(frozen=True, slots=True)
class SweepStarted:
    """The target answers, the locustfile imports, and the sweep's folder exists."""

    sweep: SweepDir
    plan: Plan
    host: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Locust has been started for one run; `number` counts from 1 to `runs`."""

    run: RunDir
    users: int
    repeat: int
    number: int
    runs: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A run in progress, once a second. Times in seconds: `run_s` is the run's length, `left_s` the whole sweep's."""

    run: RunDir
    users_wanted: int
    users: int
    phase: str
    elapsed_s: float
    run_s: float
    left_s: float
    rps: float
    p95_ms: float | None
    requests: int
    failures: int
    points: list[LivePoint]


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run is over and its ``run.json`` is final."""

    run: RunDir
    manifest: RunManifest


Event = SweepStarted | RunStarted | Progress | RunFinished
Listener = Callable[[Event], None]
