"""Which seconds of a run are judged: those of its planned window, less what is not steady at its front.

Where no part of the window is steady it may still be of no weight: a service that answers within 2 ms now and within
3 ms a minute later is not steady, and yet nobody doubts that it keeps a limit of 200 ms. The window is then cut into
blocks; an objective's percentile must have stayed, in every block, so far from its limit that the way between the best
and the worst block doesn't matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from perflab.analyse.samples import Recorded
from perflab.analyse.steady import SteadyPart, find_steady, second_by_second, slow_limits
from perflab.analyse.summary import SortedSamples
from perflab.plan.objectives import Objective
from perflab.store.manifest import RunManifest, Window, whole_seconds

MAX_BLOCKS = 10
MIN_BLOCK_S = 5
# Of the limit: who sets one of 200 ms doesn't mind whether it is 180.
MAX_SWING = 0.10
_NOT_LOOKED = SteadyPart(start=0, found=True, checked=False, reason="")


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """The window that is judged, None without one, and what was found about its steadiness."""

    window: Window | None
    part: SteadyPart = _NOT_LOOKED

    @property
    def unsteady(self) -> str:
        """Why no part of it is steady; empty if one is, or if it was too short to look."""
        return "" if self.part.found else self.part.reason

    @property
    def wanders(self) -> bool:
        """Whether, though no part is steady, latency did no more than take other levels for a while."""
        return self.part.wanders

    @property
    def remark(self) -> str:
        """What is worth knowing about a window that is judged all the same."""
        return self.part.reason if self.part.found else ""


def judged_window(manifest: RunManifest, recorded: Recorded) -> JudgedWindow:
    """Return the window of a run to judge, from its plan and its samples."""
    planned = whole_seconds(manifest.window)
    if manifest.window is None or not planned or manifest.status != "complete":
        return JudgedWindow(manifest.window)
    kinds = recorded.kinds
    within = (recorded.second >= planned.start) & (recorded.second < planned.stop)
    # A request without a latency is counted all the same.
    ok = kinds.ok & kinds.timed
    # Of a successful request the latency by its judged clock; a failed one is counted by the only clock that it always
    # has.
    endpoints = len(recorded.labels.endpoints)
    judged = recorded.judged(recorded.endpoint, endpoints, within)
    rows = recorded.rows(judged)
    kind, place, count = recorded.kind[rows], recorded.latency[rows], recorded.count[rows]
    # A millionth of a millisecond stands for an absurd 0.
    latencies = np.maximum(recorded.latencies, 1e-6)
    limit = slow_limits(SortedSamples.of_places(recorded.endpoint[kind], place, latencies, count, endpoints))
    series = second_by_second(
        recorded.second,
        recorded.endpoint,
        np.where(judged | (within & ~ok & kinds.by_client), kinds.count, 0),
        np.where(judged, kinds.count, 0),
        np.bincount(kind, count * np.log(latencies)[place], len(judged)).astype("float64"),
        np.bincount(kind, count * (latencies[place] > limit[recorded.endpoint][kind]), len(judged)),
        planned,
    )
    part = find_steady(series.requests, series.latency, series.slow)
    window = Window(start=planned.start + part.start, end=planned.stop) if part.start else manifest.window
    return JudgedWindow(window, part)


@dataclass(frozen=True, slots=True)
class Swing:
    """The percentile of an objective in the best and in the worst block of a run's window, in ms."""

    objective: Objective
    lowest: float
    highest: float

    @property
    def size(self) -> float:
        """The way between the two, in ms."""
        return self.highest - self.lowest

    @property
    def matters(self) -> bool:
        """Whether it is too large for the limit, or would reach it if it happened once more."""
        limit = self.objective.limit
        return not (self.size <= MAX_SWING * limit and self.highest + self.size <= limit)

    @property
    def text(self) -> str:
        """What moved, by how much, and against which limit."""
        name = f"{self.objective.group} {self.objective.definition.words}"
        return f"{name} between {self.lowest:.3g} and {self.highest:.3g} ms, allowed are {self.objective.limit:g} ms"


def no_weight(recorded: Recorded, window: range, limits: Iterable[Objective]) -> str:
    """Return what moved most, in words, if nothing did that matters to a limit; else, or without a limit, nothing.

    `recorded` is of one run, `window` its judged seconds.
    """
    moved = swings(recorded, window, limits)
    if not moved or any(swing.matters for swing in moved):
        return ""
    return max(moved, key=lambda swing: swing.size / swing.objective.limit).text


def swings(recorded: Recorded, window: range, objectives: Iterable[Objective]) -> list[Swing]:
    """Return how far each latency objective's percentile moved within a run's judged `window` of whole seconds.

    A group without a sample in some block has moved beyond all measure (NaN), and so has what is made of latencies and
    no percentile of them: how much of its way a drift is can't be told.
    """
    blocks = max(1, min(MAX_BLOCKS, len(window) // MIN_BLOCK_S))
    within = (recorded.second >= window.start) & (recorded.second < window.stop)
    groups = recorded.labels.groups.tolist()
    judged = recorded.judged(recorded.group, len(groups), within)
    swings = []
    for objective in objectives:
        if objective.percentile is None:
            swings += [Swing(objective, np.nan, np.nan)] if objective.latencies_ms else []
            continue
        rows = recorded.rows(judged & (recorded.group == groups.index(objective.group)))
        block = (recorded.second[recorded.kind[rows]] - window.start) * blocks // len(window)
        by_block = SortedSamples(block, recorded.latency_ms(rows), recorded.count[rows], blocks)
        percentile = by_block.percentile(objective.percentile)
        swings.append(Swing(objective, float(np.min(percentile)), float(np.max(percentile))))
    return swings
