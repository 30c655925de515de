from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from perflab.analyse.intervals import percentile_ranks, rate_bounds, throughput_bounds

# A bound with exactly 95 % coverage is missed in 5 % of 4000 repetitions, give or take 0.35 %. The floors and
# ceilings below lie five standard errors out: a two-sided bound (97.5 %) or a rank too many or few is caught.
REPETITIONS = 4000
NOISE = 5 * (0.95 * 0.05 / REPETITIONS) ** 0.5


def test_299_requests_without_a_failure_settle_99_percent_and_298_do_not() -> None:
    assert (rate_bounds(300, 300).low or 0) >= 0.99
    assert (rate_bounds(299, 299).low or 0) >= 0.99
    assert (rate_bounds(298, 298).low or 0) < 0.99
    assert (rate_bounds(0, 299).high or 1) <= 0.01 < (rate_bounds(0, 298).high or 0)


def test_59_samples_bound_a_p95_and_58_do_not() -> None:
    assert percentile_ranks(59, 0.95)[1] == 59
    assert percentile_ranks(58, 0.95)[1] is None
    # The mirror image: the 5th percentile's lower bound.
    assert percentile_ranks(59, 0.05)[0] == 1
    assert percentile_ranks(58, 0.05)[0] is None


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("samples", [1, 2, 5, 10, 58, 59, 100, 473, 1000, 30_000, 1_000_000])
def test_ranks_are_the_tightest_that_hold(samples: int, q: float) -> None:
    low, high = percentile_ranks(samples, q)
    below = stats.binom(samples, q)
    # X(r) lies below the true percentile unless fewer than r samples do.
    assert low is None or below.cdf(low - 1) <= 0.05
    assert below.cdf(low or 0) > 0.05 - 1e-12
    if high is None:
        assert below.cdf(samples - 1) < 0.95
    else:
        assert below.cdf(high - 1) >= 0.95
        assert high == 1 or below.cdf(high - 2) < 0.95


@pytest.mark.parametrize(("samples", "q"), [(30, 0.5), (100, 0.9), (200, 0.95), (1000, 0.99)])
def test_percentile_bounds_cover_the_truth_as_often_as_they_say(samples: int, q: float) -> None:
    truth = stats.lognorm(s=0.7).ppf(q)
    drawn = np.sort(np.random.default_rng(7).lognormal(0, 0.7, (REPETITIONS, samples)), axis=1)
    low, high = percentile_ranks(samples, q)
    assert low is not None
    assert high is not None
    # Ranks are whole, so coverage exceeds 95 % by less than one step of the binomial distribution.
    step = stats.binom(samples, q).pmf([low, high - 1]).max()
    for covered in (np.mean(drawn[:, low - 1] <= truth), np.mean(drawn[:, high - 1] >= truth)):
        assert 0.95 - NOISE <= covered <= 0.95 + step + NOISE


@pytest.mark.parametrize(("trials", "rate"), [(50, 0.5), (400, 0.95), (2000, 0.99)])
def test_rate_bounds_cover_the_truth_as_often_as_they_say(trials: int, rate: float) -> None:
    hits = np.random.default_rng(8).binomial(trials, rate, REPETITIONS)
    bounds = {int(count): rate_bounds(int(count), trials) for count in set(hits.tolist())}
    step = stats.binom(trials, rate).pmf(np.arange(trials + 1)).max()
    low = np.mean([(bounds[count].low or 0) <= rate for count in hits.tolist()])
    high = np.mean([(bounds[count].high or 0) >= rate for count in hits.tolist()])
    assert 0.95 - NOISE <= low <= 0.95 + step + NOISE
    assert 0.95 - NOISE <= high <= 0.95 + step + NOISE
    # Taken together they miss on both sides: a 90 % interval.
    assert low + high - 1 < 0.95 + step


def test_throughput_bounds_cover_the_truth_as_often_as_they_say() -> None:
    events = np.random.default_rng(9).poisson(12.5 * 8, REPETITIONS)
    bounds = [throughput_bounds(count, 8) for count in events.tolist()]
    low = np.mean([(bound.low or 0) <= 12.5 for bound in bounds])
    high = np.mean([(bound.high or 0) >= 12.5 for bound in bounds])
    step = stats.poisson(100).pmf(100)
    assert 0.95 - NOISE <= low <= 0.95 + step + NOISE
    assert 0.95 - NOISE <= high <= 0.95 + step + NOISE


def test_exact_values_agree_with_the_published_definitions() -> None:
    assert rate_bounds(3, 20).low == pytest.approx(stats.beta.ppf(0.05, 3, 18))
    assert rate_bounds(3, 20).high == pytest.approx(stats.beta.ppf(0.95, 4, 17))
    assert throughput_bounds(7, 2).low == pytest.approx(stats.chi2.ppf(0.05, 14) / 4)
    assert throughput_bounds(7, 2).high == pytest.approx(stats.chi2.ppf(0.95, 16) / 4)


def test_nothing_seen_bounds_nothing() -> None:
    assert percentile_ranks(0, 0.95) == (None, None)
    assert rate_bounds(0, 0) == throughput_bounds(5, 0)
    assert rate_bounds(0, 0).low is None
    assert rate_bounds(0, 10).low == 0.0
    assert rate_bounds(10, 10).high == 1.0
    assert throughput_bounds(0, 10).low == 0.0
    assert throughput_bounds(0, 10).high == pytest.approx(-np.log(0.05) / 10)
