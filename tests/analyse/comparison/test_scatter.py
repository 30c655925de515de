from __future__ import annotations

import math

import numpy as np
import pytest

from perflab.analyse.bounds import Timed, throughput_of
from perflab.analyse.comparison.parts import Scatter, scatter_ratio
from perflab.analyse.summary import Floats

SECONDS = 15


def of_rate(events: Floats) -> Scatter:
    """Return the scatter of a run's events per second, from those of each second."""
    return Scatter.of(throughput_of(events, [len(events)]))


def run(rng: np.random.Generator, requests: int) -> Timed:
    ones = np.ones(requests, "int64")
    return Timed(rng.integers(0, SECONDS, requests), rng.lognormal(3, 0.5, requests), ones, (SECONDS,))


@pytest.mark.parametrize(("q", "requests", "runs"), [(0.5, 200, 1), (0.95, 1000, 1), (0.5, 200, 4)])
def test_each_bound_is_missed_as_often_as_it_says(q: float, requests: int, runs: int) -> None:
    """The true ratio is 1: the lower bound may be above it, and the upper one below it, in 5 % of comparisons."""
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for _ in range(400):
        sides = [[Scatter.of(run(rng, requests).percentile(q)) for _ in range(runs)] for _ in range(2)]
        ratio, low, high = scatter_ratio(*sides)
        assert low < ratio < high
        missed += (low > 1, high < 1)
    assert (missed <= 0.08 * 400).all()
    assert missed.sum() >= 0.02 * 400


def test_throughput_is_bounded_as_what_comes_by_chance_is() -> None:
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for events, others in rng.poisson(20.0, (400, 2, SECONDS)).astype("float64"):
        _, low, high = scatter_ratio([of_rate(events)], [of_rate(others)])
        missed += (low > 1, high < 1)
    assert (missed <= 0.08 * 400).all()
    assert missed.sum() >= 0.02 * 400


def test_requests_in_clumps_tell_less() -> None:
    rng = np.random.default_rng(1)
    spread = of_rate(rng.poisson(20.0, 60).astype("float64"))
    clumps = of_rate(np.repeat(4.0 * rng.poisson(5.0, 12), 5))
    assert clumps.above > 1.5 * spread.above
    assert clumps.below > 1.5 * spread.below


def test_too_few_requests_have_no_bound() -> None:
    few = Scatter.of(run(np.random.default_rng(1), 20).percentile(0.95))
    ratio, low, high = scatter_ratio([few], [few])
    assert ratio == 1
    assert math.isnan(low) or low == 0
    assert math.isnan(high) or math.isinf(high)


@pytest.mark.parametrize("events", [[0, 1, 0, 0, 2, 0], [0] * 6, [5]], ids=["three", "none", "in one second"])
def test_where_as_few_events_as_none_could_be_meant_the_ratio_has_no_bound_on_that_side(events: list[int]) -> None:
    few, many = (of_rate(np.array(one, "float64")) for one in (events, [20] * 60))
    _, low, high = scatter_ratio([many], [few])
    assert not low > 0
    _, low, high = scatter_ratio([few], [many])
    assert not high < math.inf
