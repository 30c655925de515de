"""How far the requests of single runs tell two figures apart: what one run against one run can say.

This is the scatter of requests within the runs. What runs of the same service differ by is not in it, so it is no
verdict on a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perflab.analyse.bounds import Estimate, Timed, throughput_of
from perflab.analyse.summary import Floats


@dataclass(frozen=True, slots=True)
class Logs:
    """The logarithm of a figure, and how far below and above it the true one may lie, each with 95 % confidence."""

    value: float
    below: float
    above: float


def of_percentile(latency: Timed, q: float) -> Logs:
    """Return a run's percentile with the bounds that allow for requests that depend on each other."""
    return _logs(latency.percentile(q))


def of_rate(events: Floats) -> Logs:
    """Return a run's events per second, from those of each second, with such bounds."""
    return _logs(throughput_of(events, [len(events)]))


def _logs(found: Estimate) -> Logs:
    # So few requests that none could be true have no logarithm to start from either.
    value, low, high = (one or np.nan for one in (found.value, found.bounds.low, found.bounds.high))
    value, below, above = np.log([value, value / low, high / value])
    return Logs(float(value), float(below), float(above))


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
