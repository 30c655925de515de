from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from benchmarks.comparison_calibration import Case, measure
from perflab.analyse.comparison.decision import ENDPOINTS_SHARE, MISSED, Decision, Rules, decide, holm
from perflab.analyse.summary import Floats
from perflab.plan.ab import LOOKS

ENDPOINT = np.array([0, 0, 0, 1, 1])


def test_holm_multiplies_by_the_hypotheses_left_and_never_goes_back() -> None:
    # .001 x 4, .01 x 3, .012 x 2 = .024 stays at .03, .5 x 1
    assert holm(np.array([0.5, 0.01, 0.001, 0.012])) == pytest.approx([0.5, 0.03, 0.004, 0.03])
    assert holm(np.array([[0.4, 0.3], [0.02, 0.9]])) == pytest.approx(np.array([[0.6, 0.6], [0.04, 0.9]]))


def test_holm_agrees_with_statsmodels() -> None:
    """That one takes a row at a time and some 25 ms for it, so it is no way to simulate thousands of comparisons."""
    p = np.random.default_rng(1).beta(0.3, 1, (20, 24))
    adjusted = [multipletests(row, method="holm")[1] for row in p]
    assert holm(p) == pytest.approx(np.array(adjusted))


def test_holm_counts_only_what_is_tested() -> None:
    assert holm(np.array([np.nan, 0.01, 0.2])) == pytest.approx([np.nan, 0.02, 0.2], nan_ok=True)


def drawn(slower: float = 0.0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(3)
    baseline, candidate = (rng.normal(0, 0.03, (50, 5, 5)) for _ in range(2))
    return baseline, candidate + slower


def decided(rules: Rules, slower: float = 0.0) -> Decision:
    return decide(*drawn(slower), ENDPOINT, rules)


@pytest.mark.parametrize("looks", [(), LOOKS])
@pytest.mark.parametrize("paired", [False, True])
def test_all_looks_and_hypotheses_together_spend_no_more_than_alpha(looks: tuple[int, ...], paired: bool) -> None:
    """By Bonferroni: the levels at which the first of each kind is significant, times their number, times the looks."""
    rules = Rules(paired=paired, looks=looks)
    found = decided(rules, slower=0.05)
    spent = 0.0
    for kind, number in ((found.endpoints, 2), (found.cells, 5)):
        # The smallest p-value times the number of hypotheses, compared with alpha after division by its share.
        share = (number * kind.effects.p_slower().min(axis=-1)) / kind.p_slower.min(axis=-1)
        share = share[kind.p_slower.min(axis=-1) < 1]
        assert len(share)
        assert np.ptp(share) == pytest.approx(0)
        spent += rules.chances * share[0]
    assert spent == pytest.approx(1)
    assert rules.bound_level * rules.chances == pytest.approx(MISSED)


def test_a_batch_is_decided_as_each_of_its_comparisons_alone() -> None:
    rules = Rules(serial_correlation=0.1, looks=LOOKS)
    baseline, candidate = drawn(0.05)
    whole = decide(baseline, candidate, ENDPOINT, rules)
    for one in range(0, 50, 7):
        alone = decide(baseline[one], candidate[one], ENDPOINT, rules)
        assert alone.regression == whole.regression[one]
        assert alone.cells.p_slower == pytest.approx(whole.cells.p_slower[one])
        assert alone.endpoints.high == pytest.approx(whole.endpoints.high[one])


def test_a_regression_is_an_adjusted_p_value_of_at_most_alpha_beyond_the_margin() -> None:
    found = decided(Rules(margin=0.0), slower=0.03)
    significant = (found.cells.p_slower <= 0.01).any(axis=-1) | (found.endpoints.p_slower <= 0.01).any(axis=-1)
    assert 0 < significant.sum() < 50
    assert (found.regression == significant).all()
    assert not found.passed.any()
    assert not decided(Rules(margin=1.0), slower=0.08).regression.any()
    assert decided(Rules(margin=1.0), slower=0.08).passed.all()


def test_most_of_alpha_is_for_endpoints() -> None:
    found = decided(Rules())
    assert found.endpoints.level == pytest.approx(0.01 * ENDPOINTS_SHARE)
    assert found.cells.level == pytest.approx(0.01 * (1 - ENDPOINTS_SHARE))


# Bounds that even a procedure which exactly keeps its promise breaks in one of 10 000 seeds at most.
REPETITIONS = 1000


def most(rate: float) -> int:
    return int(stats.binom(REPETITIONS, rate).ppf(0.9999))


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("looks", [(), LOOKS])
def test_equal_systems_are_hardly_ever_told_apart(paired: bool, looks: tuple[int, ...]) -> None:
    case = Case("A/A", rounds=looks[-1] if looks else 5, looks=looks, paired=paired)
    assert measure(case, REPETITIONS, np.random.default_rng(11)).regression <= most(0.01)


def test_the_bound_on_false_alarms_catches_a_test_that_gives_too_many() -> None:
    # Runs much more alike than allowed for: the variance is underestimated.
    case = Case("A/A", rounds=20, serial=0.6)
    assert measure(case, REPETITIONS, np.random.default_rng(11)).regression > most(0.01)


@pytest.mark.parametrize("paired", [False, True])
def test_a_cell_at_the_margin_passes_at_most_as_often_as_promised(paired: bool) -> None:
    # The other cells are far on the right side, so that this one alone decides.
    case = Case("one cell", rounds=20, slower=0.5, slower_cells=1, margin=0.5, paired=paired, allowed_for=0.0)
    passed = measure(case, REPETITIONS, np.random.default_rng(12)).no_regression
    assert passed <= most(MISSED)
    assert passed >= stats.binom(REPETITIONS, MISSED).ppf(0.0001)


def test_a_slower_endpoint_is_found() -> None:
    case = Case("+20 %", slower=0.20)
    assert measure(case, REPETITIONS, np.random.default_rng(13)).regression >= 0.95 * REPETITIONS - 30
