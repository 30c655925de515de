from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from benchmarks.failure_calibration import ErrorCase, measure_errors
from perflab.analyse.comparison.failures import ComparedRates, Counts, compare_rates

ONE = np.array([0])


def counts(*runs: tuple[int, int]) -> Counts:
    failed, requests = np.array(runs, "float64").T
    return Counts(failed[np.newaxis], requests[np.newaxis])


def compared(baseline: Counts, candidate: Counts, *, looks: int = 1) -> ComparedRates:
    """One cell with all of alpha = .01 for it."""
    return compare_rates(baseline, candidate, ONE, alpha=0.01, share=1.0, looks=looks)[0]


def test_runs_that_agree_are_tested_by_the_exact_test_of_two_counts() -> None:
    """12 and 30 failures: given 42 in all, the candidate's number is binomial with its share of all requests."""
    baseline, candidate = counts((6, 1000), (6, 1000)), counts((10, 1500), (10, 1500), (10, 1500))
    exact = stats.binomtest(30, 42, 4500 / 6500, alternative="greater").pvalue
    score = special.ndtri(exact)
    assert compared(baseline, candidate).p_more[0] == pytest.approx(stats.t.cdf(score, df=3))


def test_what_comes_in_some_runs_more_than_in_others_counts_less() -> None:
    baseline = counts(*[(10, 1000)] * 5)
    even, uneven = counts(*[(30, 1000)] * 5), counts((146, 1000), *[(1, 1000)] * 4)
    assert compared(baseline, even).more[0]
    assert not compared(baseline, uneven).more[0]
    p = [compared(baseline, candidate).p_more[0] for candidate in (even, uneven)]
    assert p[1] > 100 * p[0]


def test_the_dispersion_is_pearsons_chi_square_by_its_freedom() -> None:
    runs = counts((5, 1000), (20, 1000), (11, 1000))
    rate = 36 / 3000
    expected = sum((failed - 1000 * rate) ** 2 / (1000 * rate * (1 - rate)) for failed in (5, 20, 11))
    assert runs.chi_square[0] == pytest.approx(expected)
    assert counts((0, 1000), (0, 1000)).chi_square[0] == 0
    assert counts((1000, 1000), (1000, 1000)).chi_square[0] == 0


def test_bounds_hold_the_difference_and_are_wider_at_several_looks() -> None:
    found = compared(counts(*[(10, 1000)] * 5), counts(*[(30, 1000)] * 5))
    assert 0 < found.low[0] < 0.02 < found.high[0]
    looked = compared(counts(*[(10, 1000)] * 5), counts(*[(30, 1000)] * 5), looks=4)
    assert looked.low[0] < found.low[0] < found.high[0] < looked.high[0]
    assert looked.p_adjusted[0] == pytest.approx(4 * found.p_adjusted[0])


@pytest.mark.parametrize("failed", [0, 1000])
def test_none_and_all_failed_are_bounded_too(failed: int) -> None:
    found = compared(counts(*[(failed, 1000)] * 3), counts(*[(failed, 1000)] * 3))
    assert -0.01 < found.low[0] < 0 < found.high[0] < 0.01
    assert not found.more[0]
    assert not found.fewer[0]


def test_one_run_is_no_verdict() -> None:
    found = compared(counts((1, 1000)), counts((500, 1000)))
    assert np.isnan([found.p_more[0], found.p_adjusted[0], found.low[0], found.high[0]]).all()
    assert not found.more[0]
    assert found.candidate_rate[0] == 0.5


def test_runs_without_requests_do_not_count() -> None:
    baseline = counts(*[(10, 1000)] * 4)
    padded = Counts(np.pad(baseline.failed, ((0, 0), (0, 3))), np.pad(baseline.requests, ((0, 0), (0, 3))))
    candidate = counts(*[(20, 1000)] * 4)
    assert compared(padded, candidate).p_more[0] == compared(baseline, candidate).p_more[0]


def test_a_group_sees_what_no_cell_shows() -> None:
    rng = np.random.default_rng(1)
    baseline, candidate = (
        Counts(rng.binomial(1000, rate, (8, 5)).astype("float64"), np.full((8, 5), 1000.0)) for rate in (0.01, 0.02)
    )
    group = np.repeat([0, 1], 4)
    candidate.failed[4:] = baseline.failed[4:]
    cells, groups = compare_rates(baseline, candidate, group, alpha=0.01, share=0.1, looks=1)
    assert not cells.more.any()
    assert groups.more.tolist() == [True, False]
    assert groups.candidate_rate[0] == pytest.approx(candidate.failed[:4].sum() / 20_000)


def test_cells_without_failures_are_no_hypotheses() -> None:
    """Nothing could be found in them, so the others needn't be corrected for them."""
    baseline = Counts(np.zeros((5, 5)), np.full((5, 5), 1000.0))
    candidate = Counts(np.zeros((5, 5)), np.full((5, 5), 1000.0))
    candidate.failed[0] = 20
    many = compare_rates(baseline, candidate, np.arange(5), alpha=0.01, share=0.1, looks=1)[0]
    first, second = (Counts(side.failed[:1], side.requests[:1]) for side in (baseline, candidate))
    alone = compare_rates(first, second, ONE, alpha=0.01, share=0.1, looks=1)[0]
    assert many.p_adjusted[0] == alone.p_adjusted[0]
    assert many.p_adjusted[1:].tolist() == [1.0] * 4


@pytest.mark.parametrize("dispersion", [1.0, 3.0, 10.0])
def test_equal_systems_are_seldom_told_apart(dispersion: float) -> None:
    """In at most 0.025 %; the whole table is measured by benchmarks/failure_calibration.py."""
    case = ErrorCase(rate=0.01, dispersion=dispersion, runs=5)
    assert measure_errors(case, 2000, np.random.default_rng(1)).found <= 6


def test_three_times_the_failures_are_found() -> None:
    case = ErrorCase(rate=0.01, dispersion=1.0, runs=5, worse=3.0)
    assert measure_errors(case, 200, np.random.default_rng(1)).found >= 195
