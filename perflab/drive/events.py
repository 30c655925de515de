"""The events of a sweep in progress. Listeners get them in order; a listener's error ends the sweep."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from perflab.drive.tail import LivePoint, RunTail
from perflab.plan.plan import Plan
from perflab.store.layout import RunDir, SweepDir
from perflab.store.manifest import RunManifest
from perflab.store.recorder_protocol import RunState
from perflab.vocabulary.level import Level


@dataclass(frozen=True, slots=True)
class SweepStarted:
    """The target answers, the locustfile imports, and the sweep's folder exists."""

    sweep: SweepDir
    plan: Plan
    host: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Locust is being started for a run, the `number`-th (from 1 on) of `runs`."""

    run: RunDir
    level: Level
    repeat: int
    number: int
    runs: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A run in progress, once a second; `run_s` is the run's length, `left_s` the time to the sweep's end."""

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
Watcher = Callable[[RunTail, RunState | None], None]


def progress_watcher(run: RunDir, plan: Plan, level: Level, later_s: float, listen: Listener) -> Watcher:
    """Return a watcher that reports a run's progress to `listen`; the sweep goes on for `later_s` after it."""

    def watch(tail: RunTail, state: RunState | None) -> None:
        start = state.start if state else None
        elapsed = time.time() - start if start is not None else 0.0
        end = state.window_end if state and state.window_end else plan.run_time_s(level)
        window_start = state.window_start if state else None
        if start is None:
            phase = "starting"
        elif window_start is None:
            phase = "ramp-up"
        elif elapsed < window_start:
            phase = "settling"
        else:
            phase = "steady" if elapsed < end else "ending"
        rps, p95 = tail.recent()
        listen(
            Progress(
                run=run,
                users_wanted=level.users,
                users=tail.users,
                phase=phase,
                elapsed_s=elapsed,
                run_s=end,
                left_s=max(0.0, end - elapsed) + later_s,
                rps=rps,
                p95_ms=p95,
                requests=tail.requests,
                failures=tail.failures,
                points=tail.points(),
            )
        )

    return watch
