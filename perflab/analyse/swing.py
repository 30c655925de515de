"""Whether what moved in a run that never became steady is of any weight against the objectives.

A service that answers within 2 ms now and within 3 ms a minute later is not steady, and yet nobody doubts that it
keeps a limit of 200 ms. The window is cut into blocks; an objective's percentile must have stayed, in every block, so
far from its limit that the way between the best and the worst block doesn't matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perflab.analyse.clocks import judged_rows
from perflab.analyse.summary import SortedSamples
from perflab.plan.objectives import Objective

MOST_BLOCKS = 10
LEAST_BLOCK_S = 5
# Of the limit: who sets one of 200 ms doesn't mind whether it is 180.
MOST_SWING = 0.10


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
        return not (self.size <= MOST_SWING * limit and self.highest + self.size <= limit)

    @property
    def text(self) -> str:
        """What moved, by how much, and against which limit."""
        name = f"{self.objective.group} {self.objective.definition.words}"
        return f"{name} between {self.lowest:.3g} and {self.highest:.3g} ms, allowed are {self.objective.limit:g} ms"


def no_weight(steady: pd.DataFrame, window: range, limits: Iterable[Objective]) -> str:
    """Return what moved most, in words, if nothing did that matters to a limit; else, or without a limit, nothing.

    `steady` are the rows of ``Sweep.latency`` of one run in its `window` of whole seconds.
    """
    group = steady["group"].cat
    judged = judged_rows(
        steady, group.codes.to_numpy().astype("int64"), len(group.categories), np.ones(len(steady), "bool")
    )
    moved = swings(steady[judged], window, limits)
    if not moved or any(swing.matters for swing in moved):
        return ""
    return max(moved, key=lambda swing: swing.size / swing.objective.limit).text


def swings(judged: pd.DataFrame, window: range, objectives: Iterable[Objective]) -> list[Swing]:
    """Return how far each latency objective's percentile moved within a run's steady `window` of whole seconds.

    `judged` are the run's successful requests by the judged clock. A group without a sample in some block has moved
    beyond all measure (NaN).
    """
    blocks = max(1, min(MOST_BLOCKS, len(window) // LEAST_BLOCK_S))
    block = (judged["second"].to_numpy().astype("int64") - window.start) * blocks // len(window)
    found = []
    for objective in objectives:
        if objective.percentile is None:
            continue
        of_group = (judged["group"] == objective.group).to_numpy()
        by_block = SortedSamples(
            block[of_group],
            judged["latency_ms"].to_numpy()[of_group],
            judged["count"].to_numpy()[of_group],
            blocks,
        ).percentile(objective.percentile)
        found.append(Swing(objective, float(np.min(by_block)), float(np.max(by_block))))
    return found
