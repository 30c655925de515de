from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import perflab
from perflab import compare_runs
from perflab.errors import UsageError
from perflab.vocabulary.verdict import Change

CELLS = [(f"{endpoint} {users} {q}", endpoint) for endpoint in "ABC" for users in (100, 250) for q in ("p50", "p95")]


def runs(number: int, seed: int, *, slower: dict[str, float] | None = None, cv: float = 0.03) -> pd.DataFrame:
    """Figures of so many runs; `slower` are factors by cell or endpoint."""
    rng = np.random.default_rng(seed)
    factors = slower or {}
    rows = []
    for run in range(number):
        common = rng.normal(0, cv)
        for cell, endpoint in CELLS:
            factor = factors.get(cell, factors.get(endpoint, 1.0))
            rows.append((cell, endpoint, run, 80 * factor * np.exp(common + rng.normal(0, cv))))
    return pd.DataFrame(rows, columns=["cell", "endpoint", "run", "value"])


def logs(frame: pd.DataFrame, cell: str) -> Any:
    return np.log(frame.loc[frame["cell"] == cell].sort_values("run")["value"].to_numpy())


@pytest.mark.parametrize("sides", [(5, 5), (4, 9)])
def test_cells_agree_with_welchs_test_on_logarithms(sides: tuple[int, int]) -> None:
    baseline, candidate = runs(sides[0], 1), runs(sides[1], 2, slower={"A": 1.05})
    found = compare_runs(baseline, candidate, serial_correlation=0).cells.set_index("cell")
    for cell, _ in CELLS:
        test = stats.ttest_ind(logs(candidate, cell), logs(baseline, cell), equal_var=False, alternative="greater")
        interval = stats.ttest_ind(logs(candidate, cell), logs(baseline, cell), equal_var=False).confidence_interval(
            0.9
        )
        row = found.loc[cell]
        assert row["p_regression"] == pytest.approx(test.pvalue)
        assert (row["low"], row["high"]) == pytest.approx((np.exp(interval.low), np.exp(interval.high)))
        assert row["ratio"] == pytest.approx(row["candidate"] / row["baseline"])
        assert row["baseline"] == pytest.approx(stats.gmean(baseline.loc[baseline["cell"] == cell, "value"]))
        assert (row["baseline_runs"], row["candidate_runs"]) == sides


def test_paired_runs_agree_with_the_paired_test_and_are_matched_by_name() -> None:
    baseline, candidate = runs(6, 1), runs(6, 2, slower={"A": 1.05})
    shuffled = candidate.sample(frac=1, random_state=3)
    found = compare_runs(baseline, shuffled, paired=True, serial_correlation=0).cells.set_index("cell")
    for cell, _ in CELLS:
        test = stats.ttest_rel(logs(candidate, cell), logs(baseline, cell), alternative="greater")
        assert found.loc[cell, "p_regression"] == pytest.approx(test.pvalue)


def test_an_endpoint_is_the_mean_of_its_cells_run_by_run() -> None:
    baseline, candidate = runs(5, 1), runs(5, 2, slower={"A": 1.05})
    means = [
        frame.assign(log=np.log(frame["value"])).query("endpoint == 'A'").groupby("run")["log"].mean()
        for frame in (candidate, baseline)
    ]
    test = stats.ttest_ind(*means, equal_var=False, alternative="greater")
    found = compare_runs(baseline, candidate, serial_correlation=0).endpoints.set_index("endpoint")
    assert found.loc["A", "p_regression"] == pytest.approx(test.pvalue)
    assert found.loc["A", "ratio"] == pytest.approx(np.exp(means[0].mean() - means[1].mean()))


def test_serial_correlation_widens_the_interval_as_that_of_a_series_so_correlated() -> None:
    widths = [
        np.diff(np.log(compare_runs(runs(5, 1), runs(5, 2), serial_correlation=rho).cells[["low", "high"]].to_numpy()))
        for rho in (0.0, 0.2)
    ]
    assert widths[1] / widths[0] == pytest.approx(np.full((len(CELLS), 1), 1.5**0.5))


def test_a_slower_endpoint_is_a_regression_that_names_it_alone() -> None:
    found = compare_runs(runs(10, 1), runs(10, 2, slower={"B": 1.25}))
    assert found.verdict == "REGRESSION"
    assert found.slower == ["B"]
    assert found.additional_runs is None
    assert "B: slower: +2" in found.text


def test_a_single_slower_cell_is_found_by_itself() -> None:
    found = compare_runs(runs(20, 1, cv=0.02), runs(20, 2, slower={"B 250 p95": 1.12}, cv=0.02))
    assert found.verdict == "REGRESSION"
    assert found.cells.loc[found.cells["verdict"] == "slower", "cell"].tolist() == ["B 250 p95"]
    assert found.slower == ["B"]
    assert "B 250 p95: slower: +1" in found.text


def test_swapping_the_sides_turns_a_regression_into_an_improvement() -> None:
    baseline, candidate = runs(20, 1), runs(20, 2, slower={"B": 1.25})
    worse, better = compare_runs(baseline, candidate), compare_runs(candidate, baseline)
    assert worse.slower == ["B"]
    assert not worse.improved
    assert better.verdict != "REGRESSION"
    assert better.improved == ["B"]
    assert better.cells["ratio"].to_numpy() == pytest.approx(1 / worse.cells["ratio"].to_numpy())
    assert better.cells["low"].to_numpy() == pytest.approx(1 / worse.cells["high"].to_numpy())


def test_neither_units_nor_the_order_of_rows_matter() -> None:
    baseline, candidate = runs(5, 1), runs(5, 2, slower={"B": 1.1})
    plain = compare_runs(baseline, candidate)
    mixed = [
        frame.assign(value=frame["value"] / 1000).sample(frac=1, random_state=4) for frame in (baseline, candidate)
    ]
    other = compare_runs(*mixed)
    for column in ("ratio", "low", "high", "p_regression", "p_adjusted"):
        one, two = (found.cells.set_index("cell")[column].sort_index().to_numpy() for found in (plain, other))
        assert one == pytest.approx(two)
    assert other.verdict == plain.verdict


def test_equal_systems_pass_once_every_cell_is_surely_within_the_margin() -> None:
    few = compare_runs(runs(5, 1), runs(5, 2))
    assert few.verdict == Change.INCONCLUSIVE
    assert few.additional_runs
    many = compare_runs(runs(40, 1), runs(40, 2))
    assert many.verdict == "NO_REGRESSION"
    assert (many.cells["high"] < 1.05).all()


def test_surely_slower_but_within_the_margin_is_told_and_passes() -> None:
    found = compare_runs(runs(40, 1, cv=0.005), runs(40, 2, slower={"B": 1.02}, cv=0.005))
    assert found.verdict == "NO_REGRESSION"
    assert found.endpoints.set_index("endpoint").loc["B", "verdict"] == "slower, within the margin"
    assert not found.slower
    assert "B: slower, but by less than the margin of 5 %" in found.text
    narrow = compare_runs(runs(40, 1, cv=0.005), runs(40, 2, slower={"B": 1.02}, cv=0.005), margin=0.01)
    assert narrow.verdict == "REGRESSION"


def test_one_run_against_one_run_is_never_a_verdict() -> None:
    found = compare_runs(runs(1, 1), runs(1, 2, slower={"A": 3.0}))
    assert found.verdict == Change.INCONCLUSIVE
    assert found.additional_runs is None
    assert set(found.cells["verdict"]) == {"not assessable"}
    assert found.cells["ratio"].iloc[0] == pytest.approx(3, rel=0.2)
    assert "fewer than 2 runs" in found.text


def test_a_cell_with_too_few_runs_keeps_from_passing_but_hides_nothing_else() -> None:
    candidate = runs(40, 2)
    thin = candidate[(candidate["cell"] != "A 100 p50") | (candidate["run"] == 0)]
    found = compare_runs(runs(40, 1), thin)
    assert found.verdict == Change.INCONCLUSIVE
    assert found.cells.set_index("cell")["verdict"].to_dict()["A 100 p50"] == "not assessable"
    assert found.endpoints.set_index("endpoint").loc["A", "verdict"] == "within the margin"
    slow = runs(10, 2, slower={"A": 1.3})
    thin = slow[(slow["cell"] != "A 100 p50") | (slow["run"] == 0)]
    assert compare_runs(runs(10, 1), thin).slower == ["A"]


def test_an_index_is_made_of_runs_that_have_all_cells() -> None:
    candidate = runs(8, 2)
    thin = candidate[(candidate["cell"] != "A 100 p50") | (candidate["run"] > 2)]
    found = compare_runs(runs(8, 1), thin)
    assert found.endpoints.set_index("endpoint").loc["A", "candidate_runs"] == 5
    assert found.endpoints.set_index("endpoint").loc["B", "candidate_runs"] == 8


def test_cells_of_one_side_only_are_told_apart() -> None:
    baseline, candidate = runs(40, 1), runs(40, 2)
    found = compare_runs(
        baseline[baseline["cell"] != "A 100 p50"], candidate[~candidate["cell"].isin(["C 250 p50", "C 250 p95"])]
    )
    assert found.candidate_only == ["A 100 p50"]
    assert found.baseline_only == ["C 250 p50", "C 250 p95"]
    assert len(found.cells) == len(CELLS) - 3
    assert "in the baseline only: C 250 p50, C 250 p95" in found.text


def test_runs_that_agree_exactly_are_known_no_better_than_they_are_recorded() -> None:
    frame = pd.DataFrame({"cell": "a", "run": range(5), "value": 100.0})
    same = compare_runs(frame, frame)
    assert same.verdict == "NO_REGRESSION"
    assert 0 < same.cells["high"].iloc[0] - 1 < 0.01
    # One bucket further.
    assert compare_runs(frame, frame.assign(value=101.0)).verdict == "NO_REGRESSION"


def test_without_endpoints_alpha_is_not_split() -> None:
    baseline, candidate = (frame.drop(columns="endpoint") for frame in (runs(5, 1), runs(5, 2)))
    found = compare_runs(baseline, candidate)
    adjusted = np.sort(found.cells["p_adjusted"].to_numpy())
    assert adjusted[0] == pytest.approx(min(1, len(CELLS) * found.cells["p_regression"].min()))
    assert found.endpoints["endpoint"].tolist() == found.cells["cell"].tolist()
    one_cell = baseline["cell"] == "A 100 p50"
    alone = compare_runs(baseline[one_cell], candidate[one_cell]).cells
    assert alone["p_adjusted"].iloc[0] == pytest.approx(alone["p_regression"].iloc[0])


def test_looks_are_those_set_beforehand() -> None:
    looks = (5, 10, 15, 20)
    first = compare_runs(runs(5, 1), runs(5, 2, slower={"A": 1.03}), looks=looks)
    once = compare_runs(runs(5, 1), runs(5, 2, slower={"A": 1.03}))
    assert (first.cells["high"] > once.cells["high"]).all()
    assert first.additional_runs in (None, 5, 10, 15)
    # A round that failed does not change which look it is.
    assert compare_runs(runs(4, 1), runs(5, 2), looks=looks).verdict == Change.INCONCLUSIVE
    assert compare_runs(runs(4, 1), runs(4, 2), looks=looks, look=5).verdict == Change.INCONCLUSIVE
    last = compare_runs(runs(20, 1, cv=0.1), runs(20, 2, cv=0.1), looks=looks, margin=0.1)
    assert last.verdict == Change.INCONCLUSIVE
    assert last.additional_runs is not None
    assert f"all looks are taken; about {last.additional_runs} more runs a side" in last.text


def test_what_is_too_close_to_tell_is_said_to_be_hopeless() -> None:
    baseline = runs(5, 1, cv=0.1)
    candidate = baseline.assign(value=baseline["value"] * 1.049)
    found = compare_runs(baseline, candidate)
    assert found.verdict == Change.INCONCLUSIVE
    assert found.additional_runs is None
    assert "not even 200 runs" in found.text
    planned = compare_runs(baseline, candidate, looks=(5, 10))
    assert planned.additional_runs is None
    assert "not even 10 runs a side would probably do" in planned.text


@pytest.mark.parametrize("slower", [1.0, 1.07])
def test_the_runs_said_to_settle_it_do_if_the_ratios_stay_as_they_are(slower: float) -> None:
    """The same figures again and again have the same means, and nearly the same spread."""
    baseline = runs(6, 1, cv=0.1)
    candidate = baseline.assign(run=(baseline["run"] + 1) % 6, value=baseline["value"] * slower)
    found = compare_runs(baseline, candidate)
    assert found.verdict == Change.INCONCLUSIVE
    assert found.additional_runs
    times = -(-(6 + found.additional_runs) // 6)
    more = [
        pd.concat([side.assign(run=side["run"] + 6 * again) for again in range(times)])
        for side in (baseline, candidate)
    ]
    assert compare_runs(*more).verdict == ("NO_REGRESSION" if slower == 1 else "REGRESSION")


Edit = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.drop(columns="run"), {}, "candidate has no column 'run'"),
        (lambda f: f.assign(value=0.0), {}, r"value 0.0 in cell A 100 p50, run 0"),
        (lambda f: f.assign(value=float("nan")), {}, "positive numbers; leave out"),
        (lambda f: f.assign(value=float("inf")), {}, "value inf"),
        (lambda f: f.assign(value="fast"), {}, "value fast"),
        (lambda f: f.assign(cell=None), {}, "without a cell"),
        (lambda f: f.assign(cell="other"), {}, "two values in cell other, run 0"),
        (lambda f: f.assign(cell=f["cell"] + "!"), {}, "no cell in common"),
        (lambda f: f.iloc[:0], {}, "no cell in common"),
        (lambda f: f.assign(endpoint="X"), {}, "belongs to endpoint A and to X"),
        (lambda f: f[f["run"] != 3], {"paired": True}, "run 3 is in baseline only"),
        (lambda f: f, {"margin": 5}, "margin is 5"),
        (lambda f: f, {"margin": -0.1}, "margin is -0.1"),
        (lambda f: f, {"alpha": 0}, "alpha is 0"),
        (lambda f: f, {"alpha": 0.5}, "alpha is 0.5"),
        (lambda f: f, {"serial_correlation": 1}, "serial_correlation is 1"),
        (lambda f: f, {"looks": (10, 20)}, "5 runs a side is none of the looks 10, 20"),
        (lambda f: f, {"looks": (10, 5)}, r"looks are \(10, 5\)"),
        (lambda f: f, {"looks": ()}, r"looks are \(\)"),
        (lambda f: f, {"look": 5}, "no looks are set"),
        (lambda f: f, {"looks": (3, 5), "look": 3}, "look is 3, but there are 5 runs"),
    ],
)
def test_what_cant_be_compared_is_refused_with_the_value(change: Edit, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        compare_runs(runs(5, 1), change(runs(5, 2)), **options)
    assert "\n" not in str(refused.value)


def test_it_is_part_of_the_public_interface() -> None:
    assert "compare_runs" in dir(perflab)
