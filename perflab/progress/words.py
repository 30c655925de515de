"""Figures of a running sweep in the few words that all displays share."""

from __future__ import annotations

from perflab.drive.events import Progress, RunFinished, RunStarted, SweepStarted
from perflab.vocabulary.level import levels_in_words


def duration(seconds: float) -> str:
    """Return minutes and seconds, ``1:05``."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def latency(ms: float | None) -> str:
    """Return a latency with its unit, a dash for none."""
    if ms is None:
        return "-"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def started(event: SweepStarted) -> str:
    """Return the line that opens a sweep."""
    plan = event.plan
    repeats = f", {plan.repeats} repeats" if plan.repeats > 1 else ""
    workers = f"; each run waits for {plan.expect_workers} workers at {plan.master_bind}" if plan.expect_workers else ""
    return (
        f"sweep {event.sweep.id}: {event.host} at {levels_in_words(plan.levels)}{repeats}, "
        f"{plan.duration_s:g} s steady each, {plan.spawn_rate:g} users/s{workers}"
    )


def run_name(event: RunStarted) -> str:
    """Return which run of how many."""
    return f"[{event.number}/{event.runs}] {event.level}" + (f", r{event.repeat}" if event.repeat > 1 else "")


def progress(event: Progress) -> str:
    """Return one line of figures."""
    return (
        f"{event.phase}, {event.users}/{event.users_wanted} users, {event.rps:.0f} requests/s, "
        f"p95 {latency(event.p95_ms)}, {event.failures} failed, {duration(event.left_s)} left"
    )


def finished(event: RunFinished) -> str:
    """Return the line that closes a run."""
    manifest = event.manifest
    line = f"{manifest.status}: {manifest.evidence.requests_recorded} requests recorded"
    return f"{line} ({manifest.evidence.error})" if manifest.evidence.error else line
