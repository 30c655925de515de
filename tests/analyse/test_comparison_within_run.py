from __future__ import annotations

import math

import numpy as np
import pytest

from perflab.analyse.comparison import within_run
from perflab.analyse.summary import Distribution


def run(rng: np.random.Generator, requests: int) -> Distribution:
    return Distribution(np.sort(rng.lognormal(3, 0.5, requests)), np.arange(1, requests + 1))


@pytest.mark.parametrize(("q", "requests", "runs"), [(0.5, 200, 1), (0.95, 1000, 1), (0.5, 200, 4)])
def test_each_bound_is_missed_as_often_as_it_says(q: float, requests: int, runs: int) -> None:
    """The true ratio is 1: the lower bound may be above it, and the upper one below it, in 5 % of comparisons."""
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for _ in range(400):
        sides = [[within_run.of_percentile(run(rng, requests), q) for _ in range(runs)] for _ in range(2)]
        ratio, low, high = within_run.ratio(*sides)
        assert low < ratio < high
        missed += (low > 1, high < 1)
    assert (missed <= 0.08 * 400).all()
    assert missed.sum() >= 0.02 * 400


def test_throughput_is_bounded_as_poisson_counts_are() -> None:
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for events, others in rng.poisson(300, (400, 2)).tolist():
        _, low, high = within_run.ratio([within_run.of_rate(events, 10)], [within_run.of_rate(others, 10)])
        missed += (low > 1, high < 1)
    assert (missed <= 0.08 * 400).all()
    assert missed.sum() >= 0.02 * 400


def test_too_few_requests_have_no_bound() -> None:
    few = within_run.of_percentile(run(np.random.default_rng(1), 20), 0.95)
    ratio, low, high = within_run.ratio([few], [few])
    assert ratio == 1
    assert math.isnan(low) or low == 0
    assert math.isnan(high) or math.isinf(high)
