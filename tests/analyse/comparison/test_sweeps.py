"""Comparing recorded sweeps: what could make the verdict wrong, with known truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perflab.analyse.comparison.sweeps import SweepComparison, compare_sweeps
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.plan.objectives import Group, Objectives
from perflab.vocabulary.verdict import Change
from tests.analyse.comparison.conftest import Record, cell, edit_latency, plain_p50
from tests.analyse.conftest import Written


def test_a_slower_group_is_a_regression_that_names_it(slowed: tuple[Sweep, Sweep]) -> None:
    comparison = compare_sweeps(*slowed)
    assert (comparison.verdict, comparison.change) == ("FAIL", "REGRESSION")
    assert comparison.slower == ["payments"]
    assert "payments" in comparison.headline
    assert comparison.reasons[0].startswith("payments: slower, +")
    found = cell(comparison.latency_by_group, group="payments")
    assert found["ratio"] == pytest.approx(1.3, rel=0.05)
    assert found["p_adjusted"] <= comparison.alpha


def test_a_faster_group_is_told_and_is_no_regression(slowed: tuple[Sweep, Sweep]) -> None:
    comparison = compare_sweeps(slowed[1], slowed[0])
    assert comparison.change == Change.INCONCLUSIVE
    assert comparison.improved == ["payments"]
    assert any(note.startswith("payments: faster") for note in comparison.notes)


def test_equal_sweeps_are_no_regression_where_the_margin_is_wide(record: Record) -> None:
    comparison = compare_sweeps(record(repeats=8), record(repeats=8), margin=0.15)
    assert (comparison.verdict, comparison.change) == ("PASS", "NO_REGRESSION")
    assert comparison.reasons == []
    narrow = compare_sweeps(comparison.baseline, comparison.candidate, margin=0.01)
    assert narrow.change == Change.INCONCLUSIVE
    assert "not even 200 runs a side would probably do" in narrow.headline
    wider = compare_sweeps(comparison.baseline, comparison.candidate, margin=0.05)
    assert wider.additional_runs is not None
    assert f"{wider.additional_runs} more runs a side" in wider.headline


def test_figures_are_those_of_each_run_by_itself(record: Record) -> None:
    objectives = Objectives(groups=(Group(name="health", endpoints=("/health",)),))
    sweeps = [record(objectives, per_user=20.0, repeats=3) for _ in range(2)]
    comparison = compare_sweeps(*sweeps)
    runs = comparison.latency_by_run
    for side, sweep in zip(("baseline", "candidate"), sweeps, strict=True):
        [windows] = {(window.start, window.end) for window in sweep.windows if window}
        own = runs[(runs["side"] == side) & (runs["group"] == "health") & (runs["metric"] == "p50_ms")]
        assert own["value"].tolist() == plain_p50(sweep, "/health", int(windows[0]), int(windows[1]))
        assert own["used"].all()
        mean = np.exp(np.mean(np.log(own["value"])))
        assert cell(comparison.latency, group="health", metric="p50_ms")[side] == pytest.approx(mean)
    assert set(runs["clock"]) == {"wire"}


def test_a_cell_with_too_few_requests_is_left_out_and_told(slowed: tuple[Sweep, Sweep]) -> None:
    comparison = compare_sweeps(*slowed)
    row = cell(comparison.latency, group="payments", metric="p95_ms")
    assert row["verdict"] == "not assessable"
    assert "1000 requests a run" in row["evidence"]
    assert np.isnan(row["ratio"])
    assert any(note.startswith("p95 is left out") and "payments at 50 users" in note for note in comparison.notes)
    of_cell = comparison.latency_by_run.query("group == 'payments' and metric == 'p95_ms'")
    assert not of_cell["used"].any()


def test_runs_with_few_requests_count_where_the_median_run_has_enough(record: Record) -> None:
    """To leave them out would be to leave out the slow ones, since slow runs make fewer requests."""

    def thin(row: str) -> str | None:
        return None if "/payments" in row and row.startswith(("9,", "10,", "11,")) else row

    baseline = edit_latency(record(), thin, slice(0, 2))
    comparison = compare_sweeps(baseline, record())
    of_cell = comparison.latency_by_run.query("side == 'baseline' and group == 'payments' and metric == 'p50_ms'")
    assert of_cell["used"].all()


def test_a_group_that_no_percentile_can_judge_keeps_it_from_passing(record: Record) -> None:
    objectives = Objectives(
        groups=(Group(name="health", endpoints=("/health",)), Group(name="rest", endpoints=("/*",)))
    )
    comparison = compare_sweeps(record(objectives), record(objectives), margin=0.5)
    rest = comparison.latency.query("group == 'rest' and metric == 'p50_ms'")
    assert rest["verdict"].tolist() == ["within the margin"]
    assert comparison.change == Change.INCONCLUSIVE
    [reason] = comparison.reasons
    assert reason.startswith("health at 50 users can't be judged")


@pytest.mark.parametrize("vanished", ["candidate", "baseline"])
def test_a_group_that_vanished_is_never_silent(record: Record, vanished: str) -> None:
    whole, part = record(), edit_latency(record(), lambda row: None if "/payments" in row else row)
    pair = (whole, part) if vanished == "candidate" else (part, whole)
    comparison = compare_sweeps(*pair, margin=0.5)
    told = f"payments at 50 users: the {vanished} has no such request"
    if vanished == "candidate":
        # What is missing is throughput that is missing, and the group is named on top.
        assert comparison.change != "NO_REGRESSION"
        assert told in comparison.reasons
    else:
        assert comparison.change == "NO_REGRESSION"
        assert any(note.startswith(told) for note in comparison.notes)


def test_pairs_are_matched_by_repeat(record: Record) -> None:
    """A run effect that both sides of a round share drops out of a paired comparison, and only of it."""
    shared = {"run_cv": 0.2, "system": 7, "seconds": 20}
    baseline, candidate = record(**shared), record(**shared, slowdown={"payments": 1.1})
    paired, separate = (compare_sweeps(baseline, candidate, design=design) for design in ("interleaved", "separate"))
    widths = [
        float(np.ptp(np.log(comparison.latency_by_group.query("group == 'payments'")[["low", "high"]].to_numpy())))
        for comparison in (paired, separate)
    ]
    assert widths[0] < 0.2 * widths[1]
    assert paired.slower == ["payments"]
    assert separate.change == Change.INCONCLUSIVE


def test_rounds_and_looks_are_those_that_are_asked_for(record: Record) -> None:
    baseline, candidate = record(repeats=7), record(repeats=7)
    options: dict[str, Any] = {"design": "duet", "looks": (5, 10)}
    comparison = compare_sweeps(baseline, candidate, rounds=range(1, 6), look=5, **options)
    assert cell(comparison.latency, group="auth", metric="p50_ms")["baseline_runs"] == 5
    assert not [note for note in comparison.notes if "left out:" in note]
    with pytest.raises(UsageError, match="none of the looks"):
        _ = compare_sweeps(baseline, candidate, **options).latency


def test_one_run_against_one_run_is_no_verdict(record: Record) -> None:
    comparison = compare_sweeps(record(repeats=1), record(repeats=1, slowdown={"payments": 2.0}))
    assert comparison.change == Change.INCONCLUSIVE
    assert "one run on a side at 50 users tells nothing about a change" in comparison.reasons[0]
    assert "--repeats 5" in comparison.headline
    row = cell(comparison.latency, group="payments", metric="p50_ms")
    assert row["verdict"] == "open"
    assert "scatter of requests alone" in row["words"]
    assert 1 < row["low"] < 2 < row["high"]
    assert np.isnan(row["p_regression"])
    assert comparison.slower == []
    assert comparison.spread.empty


def test_unanswered_requests_are_no_value_and_keep_it_from_passing(record: Record) -> None:
    """More than half of a group's requests never come back: its p50 is infinite, which no mean may hide."""

    def hang(row: str) -> str | None:
        second, source, method, name, _, measure, latency, count = row.split(",")
        if "/payments" not in name or int(second) % 3 == 0:
            return row
        return f"{second},{source},{method},{name},unanswered,client,{latency},{count}" if measure == "client" else None

    comparison = compare_sweeps(record(), edit_latency(record(), hang), margin=0.5)
    assert comparison.change == "REGRESSION"
    assert any("payments: more requests fail" in reason for reason in comparison.reasons)
    assert any("payments p50 at 50 users: 5 of 5 runs of the candidate have no value" in r for r in comparison.reasons)
    row = cell(comparison.latency, group="payments", metric="p50_ms")
    assert row["verdict"] == "not assessable"
    assert "never answered" in row["evidence"]
    # In one run of five the error test finds nothing, and it does not pass either.
    once = compare_sweeps(record(), edit_latency(record(), hang, slice(0, 1)), margin=0.5)
    assert once.change != "NO_REGRESSION"
    assert any("1 of 5 runs of the candidate have no value" in reason for reason in once.reasons)


def test_a_run_without_wire_times_takes_its_cell_to_the_client_clock(record: Record) -> None:
    """Else one run of a side would be measured by another clock than the rest, and look slower or faster."""
    candidate = edit_latency(record(), lambda row: None if ",wire," in row else row, slice(0, 1))
    comparison = compare_sweeps(record(), candidate, allow_different=["clock"])
    assert set(comparison.latency_by_run["clock"]) == {"client"}


@pytest.mark.parametrize("options", [{"design": "twins"}, {"margin": -0.1}, {"alpha": 0.5}])
def test_options_out_of_range_are_refused(slowed: tuple[Sweep, Sweep], options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        compare_sweeps(*slowed, **options)


def test_a_higher_error_rate_is_a_regression(record: Record) -> None:
    comparison = compare_sweeps(record(failure_rate=0.01), record(failure_rate=0.15), margin=0.5)
    assert comparison.change == "REGRESSION"
    assert set(comparison.failures_by_group["verdict"]) == {"more"}
    row = cell(comparison.failures, group="auth")
    assert row["candidate_rate"] == row["candidate_failed"] / row["candidate_requests"]
    assert row["low"] < 0.14 < row["high"]
    assert comparison.slower == []
    assert "more requests fail" in comparison.headline
    other_way = compare_sweeps(comparison.candidate, comparison.baseline, margin=0.5)
    assert other_way.change == "NO_REGRESSION"
    assert set(other_way.failures_by_group["verdict"]) == {"fewer"}


def test_failures_of_one_bad_run_are_no_regression(record: Record) -> None:
    """A stall fails a hundred requests of one run: as many spread over all runs would be certain."""

    def fail(row: str) -> str:
        return row.replace(",ok,client,", ",http_500,client,") if row.startswith(("9,", "10,")) else row

    comparison = compare_sweeps(record(), edit_latency(record(), fail, slice(0, 1)), margin=0.5)
    assert comparison.failures["candidate_failed"].sum() > 10 * comparison.failures["baseline_failed"].sum()
    assert set(comparison.failures["verdict"]) == {"no more found"}


def test_lost_throughput_is_a_regression(record: Record) -> None:
    comparison = compare_sweeps(record(), record(per_user=1.6))
    assert comparison.change == "REGRESSION"
    row = cell(comparison.throughput_by_level, level="50 users")
    assert row["verdict"] == "lower"
    assert row["low"] < 0.8 < row["high"]
    assert row["ratio"] == pytest.approx(row["candidate"] / row["baseline"])
    assert row["baseline"] == pytest.approx(100, rel=0.05)
    assert any(reason.startswith("all requests at 50 users: fewer requests/s") for reason in comparison.reasons)
    assert comparison.slower == []


def test_a_group_that_lost_throughput_is_named(record: Record) -> None:
    def drop(row: str) -> str | None:
        return None if "/payments" in row and int(row.split(",")[0]) % 2 else row

    comparison = compare_sweeps(record(), edit_latency(record(), drop), margin=0.5)
    assert comparison.change == "REGRESSION"
    assert cell(comparison.throughput_by_group, group="payments")["verdict"] == "lower"
    assert "lower" not in set(comparison.throughput_by_level["verdict"])


def test_a_warm_up_is_left_out_unless_both_sides_share_the_moment(written: Any, tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[object, ...]]:
        rng = np.random.default_rng(1)
        for second in range(40):
            for _ in range(30):
                yield (second, "/a", "ok", round(float(rng.lognormal(np.log(60 if second < 10 else 20), 0.2)), 3), 1)

    other = Written(tmp_path / "other")
    for sweep in (written, other):
        for repeat in (1, 2, 3):
            sweep.run(
                rows(),
                repeat=repeat,
                window=(0, 40),
                generator=[(s, "local", 10, 0, 20.0, 0.1, 80.0) for s in range(40)],
            )
    pair = written.open(), other.open()
    separate, duet = (compare_sweeps(*pair, design=design) for design in ("separate", "duet"))
    samples = [comparison.latency_by_run["samples"].min() for comparison in (separate, duet)]
    assert samples[0] <= 900
    assert samples[1] == 1200


def test_groups_of_one_name_hold_the_same_endpoints_on_both_sides(record: Record) -> None:
    """Else "shop" of the one, slow endpoints, would be compared with "shop" of the other, fast ones."""
    slow, fast = (
        Objectives(groups=(Group(name="shop", endpoints=(pattern,)),)) for pattern in ("/api/v1/auth/*", "/api/v1/gen*")
    )
    comparison = compare_sweeps(record(slow), record(fast), margin=0.5)
    assert comparison.change == "NO_REGRESSION"
    assert cell(comparison.comparability, what="objectives")["kind"] == "listed"
    assert cell(comparison.latency, group="shop", metric="p50_ms")["ratio"] == pytest.approx(1, abs=0.1)


def test_without_objectives_all_requests_are_one_group(record: Record) -> None:
    comparison = compare_sweeps(record(Objectives()), record(Objectives()))
    assert set(comparison.latency["group"]) == {"all"}
    assert len(comparison.throughput_by_level) == len(comparison.throughput) == 1


def test_an_ended_sweep_with_no_runs_compares_to_nothing(record: Record, written: Any) -> None:
    comparison: SweepComparison = compare_sweeps(written.open(), record())
    assert comparison.verdict == "INVALID"
