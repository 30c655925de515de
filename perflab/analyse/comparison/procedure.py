"""Run-level figures of both sides through `compare_runs`, for one part of what may be called a regression.

A false REGRESSION is to happen in at most alpha of comparisons, whatever it is found in. So latency, throughput and
error rate have parts of it, and p-values are adjusted to be compared with the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from perflab.analyse.comparison.compare_runs import Comparison, compare_runs

# Most of it where most is sought: with 0.8 for latency, +20 % on one endpoint is found in 94 % of comparisons of 5 runs
# a side, with 0.95 in 95.5 %.
LATENCY_PART, THROUGHPUT_PART, ERRORS_PART = 0.95, 0.025, 0.025


@dataclass(frozen=True, slots=True)
class Options:
    """How sweeps are compared. `look` is the number of runs a side there are, or were to be, at the present look."""

    paired: bool
    margin: float
    alpha: float
    looks: tuple[int, ...] | None
    look: int | None

    @property
    def chances(self) -> int:
        """How often the two are compared at most."""
        return len(self.looks) if self.looks else 1


def compare_part(baseline: pd.DataFrame, candidate: pd.DataFrame, options: Options, part: float) -> Comparison | None:
    """Compare the figures of both sides with a `part` of alpha; None if there are none.

    The frames have the columns cell, endpoint, run and value, and the same cells; paired, the same runs of each too.
    """
    if baseline.empty:
        return None
    found = compare_runs(
        baseline,
        candidate,
        paired=options.paired,
        margin=options.margin,
        alpha=options.alpha * part,
        looks=options.looks,
        look=options.look,
    )
    return replace(found, cells=_for_the_whole(found.cells, part), endpoints=_for_the_whole(found.endpoints, part))


def _for_the_whole(frame: pd.DataFrame, part: float) -> pd.DataFrame:
    return frame.assign(p_adjusted=np.minimum(frame["p_adjusted"] / part, 1))
