"""How far the requests of single runs tell two figures apart: what one run against one run can say.

This is the scatter of requests within the runs. What runs of the same service differ by is not in it, so it is no
verdict on a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perflab.analyse.intervals import percentile_ranks, throughput_bounds
from perflab.analyse.summary import Distribution


@dataclass(frozen=True, slots=True)
class Logs:
    """The logarithm of a figure, and how far below and above it the true one may lie, each with 95 % confidence."""

    value: float
    below: float
    above: float


def of_percentile(distribution: Distribution, q: float) -> Logs:
    """Return a run's percentile, bounded by order statistics."""
    value = distribution.percentile(q)
    low, high = (
        np.nan if rank is None else distribution.at_rank(rank) for rank in percentile_ranks(distribution.samples, q)
    )
    with np.errstate(divide="ignore"):
        return Logs(float(np.log(value)), float(np.log(value / low)), float(np.log(high / value)))


def of_rate(events: int, seconds: float) -> Logs:
    """Return a run's events per second, bounded by Garwood's interval."""
    bounds = throughput_bounds(events, seconds)
    if not events or not bounds.low or not bounds.high:
        return Logs(np.nan, np.nan, np.nan)
    value = events / seconds
    return Logs(float(np.log(value)), float(np.log(value / bounds.low)), float(np.log(bounds.high / value)))


def ratio(baseline: Sequence[Logs], candidate: Sequence[Logs]) -> tuple[float, float, float]:
    """Return the ratio candidate to baseline of the geometric means with its lower and upper bound.

    The bounds of a difference from those of its two parts: Zou and Donner (Statistics in Medicine 27, 2008).
    """
    before, after = _mean(baseline), _mean(candidate)
    difference = after.value - before.value
    low = difference - np.hypot(after.below, before.above)
    high = difference + np.hypot(after.above, before.below)
    return float(np.exp(difference)), float(np.exp(low)), float(np.exp(high))


def _mean(runs: Sequence[Logs]) -> Logs:
    number = len(runs)
    below, above = (
        float(np.sqrt(np.sum(np.square(reach)))) / number
        for reach in ([run.below for run in runs], [run.above for run in runs])
    )
    return Logs(float(np.mean([run.value for run in runs])), below, above)
