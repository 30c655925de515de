"""Comparing recorded sweeps: what could make the verdict wrong, with known truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.comparison.comparable import WAIVABLE, same_configuration
from perflab.analyse.comparison.sweeps import SweepComparison, compare_sweeps
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.plan.objectives import Group, Objectives
from perflab.store.layout import SweepDir
from perflab.store.manifest import RunManifest, SweepManifest, read_manifest, write_manifest
from tests.analyse.conftest import Written

# 1000 requests a run, in three groups: p50 is assessable in all of them, p95 in none.
LOAD: dict[str, Any] = {
    "users": (50,),
    "repeats": 5,
    "seconds": 10,
    "spawn_rate": 50.0,
    "per_user": 2.0,
    "run_cv": 0.02,
    "wire": True,
}
Record = Callable[..., Sweep]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Load, Objectives | None], Path]:
    """Return a function that records a sweep once, however many tests ask for it."""
    recorded: dict[str, Path] = {}

    def get(load: Load, objectives: Objectives | None) -> Path:
        key = repr((load, objectives))
        if key not in recorded:
            recorded[key] = write_recorded_sweep(tmp_path_factory.mktemp("stock"), load, objectives).path
        return recorded[key]

    return get


@pytest.fixture
def record(tmp_path: Path, stock: Callable[[Load, Objectives | None], Path]) -> Record:
    """Return a function that records a sweep, each with run effects of its own."""
    numbers = iter(range(100))

    def write(objectives: Objectives | None = None, **changes: Any) -> Sweep:
        number = next(numbers)
        load = Load(**{**LOAD, "system": number, **changes})
        copy = tmp_path / f"20261122T103000Z-{number}"
        return Sweep.open(SweepDir(shutil.copytree(stock(load, objectives), copy)))

    return write


@pytest.fixture(scope="module")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Sweep]:
    """Two sweeps, of which the second has payments that are 30 % slower."""
    runs_dir = tmp_path_factory.mktemp("slowed")
    loads = (Load(**LOAD), Load(**LOAD, system=1, slowdown={"payments": 1.3}))
    first, second = (Sweep.open(write_recorded_sweep(runs_dir, load)) for load in loads)
    return first, second


def rewrite_runs(sweep: Sweep, change: Callable[[RunManifest], dict[str, Any]]) -> Sweep:
    for run in sweep.dir.runs():
        manifest = read_manifest(run.manifest, RunManifest)
        write_manifest(run.manifest, manifest.model_copy(update=change(manifest)))
    return Sweep.open(sweep.dir)


def rewrite(sweep: Sweep, **changes: Any) -> Sweep:
    manifest = read_manifest(sweep.dir.manifest, SweepManifest)
    write_manifest(sweep.dir.manifest, manifest.model_copy(update=changes))
    return Sweep.open(sweep.dir)


def edit_latency(sweep: Sweep, edit: Callable[[str], str | None], runs: Any = slice(None)) -> Sweep:
    """Rewrite or drop (None) rows of latency.csv and keep the runs' own counts in step with them."""
    for run in sweep.dir.runs()[runs]:
        header, *rows = run.latency.read_text(encoding="utf-8").splitlines()
        edited = [row for row in map(edit, rows) if row is not None]
        run.latency.write_text("\n".join([header, *edited, ""]), encoding="utf-8")
        counted = sum(int(row.rsplit(",", 1)[1]) for row in edited if ",client," in row)
        unanswered = sum(int(row.rsplit(",", 1)[1]) for row in edited if ",unanswered," in row)
        manifest = read_manifest(run.manifest, RunManifest)
        evidence = manifest.evidence.model_copy(
            update={
                "requests_recorded": counted,
                "requests_finished": counted - unanswered,
                "locust_finished": counted - unanswered,
                "unanswered": unanswered,
            }
        )
        write_manifest(run.manifest, manifest.model_copy(update={"evidence": evidence}))
    return Sweep.open(sweep.dir)


def cell(frame: pd.DataFrame, **wanted: Any) -> dict[str, Any]:
    chosen = frame
    for name, value in wanted.items():
        chosen = chosen[chosen[name] == value]
    [row] = chosen.to_dict("records")
    return {str(name): value for name, value in row.items()}


def plain_p50(sweep: Sweep, name: str, start: int, stop: int) -> list[float]:
    """Return each run's wire p50 of one endpoint's requests, computed without perflab."""
    found = []
    for run in sweep.dir.runs():
        rows = pd.read_csv(run.latency, keep_default_na=False)
        rows = rows[(rows["name"] == name) & (rows["measure"] == "wire") & (rows["outcome"] == "ok")]
        rows = rows[(rows["second"] >= start) & (rows["second"] < stop)]
        values = np.sort(np.repeat(rows["latency_ms"].to_numpy(), rows["count"].to_numpy()))
        found.append(float(values[int(np.ceil(len(values) / 2)) - 1]))
    return found


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
    assert comparison.change == "INCONCLUSIVE"
    assert comparison.improved == ["payments"]
    assert any(note.startswith("payments: faster") for note in comparison.notes)


def test_equal_sweeps_are_no_regression_where_the_margin_is_wide(record: Record) -> None:
    comparison = compare_sweeps(record(repeats=8), record(repeats=8), margin=0.15)
    assert (comparison.verdict, comparison.change) == ("PASS", "NO_REGRESSION")
    assert comparison.reasons == []
    narrow = compare_sweeps(comparison.baseline, comparison.candidate, margin=0.01)
    assert narrow.change == "INCONCLUSIVE"
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
    assert comparison.change == "INCONCLUSIVE"
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


def test_a_level_of_the_baseline_alone_keeps_it_from_passing(record: Record) -> None:
    comparison = compare_sweeps(record(users=(50, 60)), record(), margin=0.5)
    assert comparison.change == "INCONCLUSIVE"
    assert comparison.reasons == ["60 users: only the baseline has runs"]
    other_way = compare_sweeps(comparison.candidate, comparison.baseline, margin=0.5)
    assert other_way.change == "NO_REGRESSION"
    assert "60 users: only the candidate has runs" in other_way.notes


def test_no_level_in_common_is_invalid(record: Record) -> None:
    comparison = compare_sweeps(record(users=(50,)), record(users=(60,)))
    assert comparison.verdict == "INVALID"
    assert "no user count in common: the baseline has 50, the candidate 60" in comparison.reasons[0]
    assert comparison.latency.empty
    assert comparison.additional_runs is None


def test_an_invalid_run_is_left_out_and_told(record: Record) -> None:
    def spoil(run: RunManifest) -> dict[str, Any]:
        evidence = run.evidence.model_copy(update={"target_lost": run.repeat == 2})
        return {"evidence": evidence}

    candidate = rewrite_runs(record(), spoil)
    comparison = compare_sweeps(record(), candidate, margin=0.5)
    assert comparison.change == "NO_REGRESSION"
    assert "users-0050-r2 of the candidate is left out: the target was lost during the run" in comparison.notes
    assert cell(comparison.latency, group="auth", metric="p50_ms")["candidate_runs"] == 4
    left_out = comparison.latency_by_run[
        ~comparison.latency_by_run["used"] & (comparison.latency_by_run["metric"] == "p50_ms")
    ]
    assert set(left_out["run"]) == {"users-0050-r2"}
    assert set(left_out["side"]) == {"candidate"}


def test_more_than_a_fifth_left_out_is_invalid(record: Record) -> None:
    candidate = rewrite_runs(record(), lambda run: {"status": "failed" if run.repeat < 3 else "complete"})
    comparison = compare_sweeps(record(), candidate, margin=0.5)
    assert comparison.verdict == "INVALID"
    assert comparison.reasons[0].startswith("candidate at 50 users: 2 of 5 runs can't be used (users-0050-r1: the run")


def test_paired_rounds_are_left_out_on_both_sides(record: Record) -> None:
    candidate = rewrite_runs(record(), lambda run: {"status": "failed" if run.repeat == 3 else "complete"})
    comparison = compare_sweeps(record(), candidate, design="interleaved")
    row = cell(comparison.latency, group="auth", metric="p50_ms")
    assert (row["baseline_runs"], row["candidate_runs"]) == (4, 4)
    assert "users-0050-r3 of the baseline is left out: the other side has no such run that counts" in comparison.notes


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
    assert separate.change == "INCONCLUSIVE"


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
    assert comparison.change == "INCONCLUSIVE"
    assert "one run on a side at 50 users tells nothing about a change" in comparison.reasons[0]
    assert "--repeats 5" in comparison.headline
    row = cell(comparison.latency, group="payments", metric="p50_ms")
    assert row["verdict"] == "open"
    assert "scatter of requests alone" in row["words"]
    assert 1 < row["low"] < 2 < row["high"]
    assert np.isnan(row["p_regression"])
    assert comparison.slower == []
    assert comparison.spread.empty


def test_a_single_run_is_placed_among_earlier_ones(record: Record) -> None:
    single = {"repeats": 1, "run_cv": 0.05}
    history = [record(**single) for _ in range(12)]
    baseline, candidate = record(**single), record(**single, slowdown={"payments": 1.6})
    comparison = compare_sweeps(baseline, candidate, history=history)
    assert comparison.change == "INCONCLUSIVE"
    inside = comparison.spread.set_index("group")["inside"]
    assert inside.to_dict() == {"auth": True, "generation": True, "payments": False}
    assert set(comparison.spread["runs"]) == {13}
    assert any("payments p50 at 50 users" in note and "outside" in note for note in comparison.notes)
    assert compare_sweeps(baseline, candidate, history=history[:8]).spread.empty
    # The two that are compared are no history of their own.
    assert compare_sweeps(baseline, candidate, history=[*history[:8], baseline, candidate]).spread.empty


def test_only_runs_of_the_same_configuration_are_history(record: Record) -> None:
    sweep, same = record(), record()
    other_seed, other_commit = record(seed=2), rewrite_runs(record(), lambda _: {"git_commit": "f00"})
    assert same_configuration(sweep, [sweep, same, other_seed, other_commit]) == [same]


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


def test_unequal_clocks_matter_and_waived_both_go_by_the_client(record: Record) -> None:
    pair = record(), record(wire=False)
    comparison = compare_sweeps(*pair, margin=0.5)
    assert comparison.verdict == "INVALID"
    row = cell(comparison.comparability, what="clock")
    assert row["kind"] == "matters"
    assert row["baseline"].startswith("wire")
    assert row["candidate"] == "client"
    waived = compare_sweeps(*pair, margin=0.5, allow_different=["clock"])
    assert waived.change == "NO_REGRESSION"
    assert set(waived.latency_by_run["clock"]) == {"client"}
    assert cell(waived.comparability, what="clock")["kind"] == "waived"


def test_a_run_without_wire_times_takes_its_cell_to_the_client_clock(record: Record) -> None:
    """Else one run of a side would be measured by another clock than the rest, and look slower or faster."""
    candidate = edit_latency(record(), lambda row: None if ",wire," in row else row, slice(0, 1))
    comparison = compare_sweeps(record(), candidate, allow_different=["clock"])
    assert set(comparison.latency_by_run["clock"]) == {"client"}


def changed_suite(**changes: Any) -> Callable[[RunManifest], dict[str, Any]]:
    return lambda run: {"suite": {**(run.suite or {}), **changes}}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("locustfile", lambda sweep: rewrite_runs(sweep, changed_suite(locustfile="0" * 64))),
        ("mix", lambda sweep: rewrite_runs(sweep, changed_suite(users={"PlatformUser": {"weight": 2}}))),
        ("duration", lambda sweep: rewrite(sweep, plan=sweep.manifest.plan.model_copy(update={"duration_s": 30.0}))),
        ("settle", lambda sweep: rewrite(sweep, plan=sweep.manifest.plan.model_copy(update={"settle_s": 1.0}))),
        (
            "options",
            lambda sweep: rewrite(sweep, plan=sweep.manifest.plan.model_copy(update={"locust_options": "-T a"})),
        ),
        ("seed", lambda sweep: rewrite(sweep, plan=sweep.manifest.plan.model_copy(update={"seed": 9}))),
        (
            "variables",
            lambda sweep: rewrite(sweep, environment={**sweep.manifest.environment, "variables": {"LOAD_TEST_X": "2"}}),
        ),
        ("machine", lambda sweep: rewrite(sweep, environment={**sweep.manifest.environment, "cores": 8})),
        ("target", lambda sweep: rewrite(sweep, target=sweep.manifest.target.model_copy(update={"managed": False}))),
    ],
)
def test_what_matters_makes_it_invalid_unless_it_is_waived(
    record: Record, name: str, change: Callable[[Sweep], Sweep]
) -> None:
    pair = record(repeats=3), change(record(repeats=3))
    comparison = compare_sweeps(*pair, margin=0.5)
    assert comparison.verdict == "INVALID"
    [reason] = comparison.reasons
    assert reason.startswith(f"{name} differs: ")
    assert f"--allow-different {name}" in reason
    # The figures are there all the same.
    assert not comparison.latency.empty
    waived = compare_sweeps(*pair, margin=0.5, allow_different=[name])
    assert waived.change == "NO_REGRESSION"
    assert cell(waived.comparability, what=name)["kind"] == "waived"


def test_what_is_compared_may_differ_and_the_rest_is_listed(record: Record) -> None:
    candidate = record(repeats=3)
    plan = candidate.manifest.plan.model_copy(update={"launch": "serve --new", "processes": 2})
    candidate = rewrite(candidate, plan=plan)
    candidate = rewrite_runs(candidate, lambda _: {"git_commit": "0123456789abcdef"})
    comparison = compare_sweeps(record(repeats=3), candidate, margin=0.5)
    assert comparison.change == "NO_REGRESSION"
    kinds = dict(zip(comparison.comparability["what"], comparison.comparability["kind"], strict=True))
    assert kinds == {"launch": "the change", "commit": "the change", "processes": "listed"}


def test_what_was_not_recorded_is_said_and_is_no_difference(record: Record) -> None:
    old = rewrite(rewrite_runs(record(repeats=3), lambda _: {"suite": None}), environment={"python": "3.11"})
    comparison = compare_sweeps(old, record(repeats=3), margin=0.5)
    assert comparison.change == "NO_REGRESSION"
    [note] = [note for note in comparison.notes if note.startswith("not recorded of both")]
    assert note.endswith("locustfile, mix, variables, machine")


def test_an_unknown_name_can_not_be_waived(slowed: tuple[Sweep, Sweep]) -> None:
    with pytest.raises(UsageError, match="'locust'") as raised:
        compare_sweeps(*slowed, allow_different=["locust"])
    assert all(name in str(raised.value) for name in WAIVABLE)


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
    row = cell(comparison.throughput_by_level, users=50)
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


def test_hostile_group_names_reach_every_frame_unchanged(record: Record) -> None:
    names = ["$x^{", "<b>", "_a", 'quo"te, comma']
    patterns = ("/api/v1/auth/*", "/api/v1/generation/*", "/api/v1/payments*", "/health")
    groups = tuple(Group(name=name, endpoints=(pattern,)) for name, pattern in zip(names, patterns, strict=True))
    objectives = Objectives(groups=groups)
    slowdown = {"payments": 1.5}
    comparison = compare_sweeps(record(objectives), record(objectives, slowdown=slowdown))
    assert comparison.slower == ["_a"]
    of_latency = ("", "_by_group", "_by_run", "_curves", "_by_quantile", "_over_time")
    others = ("throughput", "throughput_by_group", "failures", "failures_by_group", "contributions")
    for frame in (*(f"latency{kind}" for kind in of_latency), *others):
        assert set(getattr(comparison, frame)["group"]) <= set(names)
        assert "_a" in set(getattr(comparison, frame)["group"])


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


def test_details_show_where_the_change_is(slowed: tuple[Sweep, Sweep]) -> None:
    comparison = compare_sweeps(*slowed)
    curves = comparison.latency_curves
    assert curves.groupby(["side", "group"])["latency_ms"].apply(lambda latency: latency.is_monotonic_increasing).all()
    for side, sweep in zip(("baseline", "candidate"), slowed, strict=True):
        own = curves[(curves["side"] == side) & (curves["group"] == "payments")]
        pooled = sweep.groups.set_index("group").loc["payments", "p90_ms"]
        assert np.interp(0.9, own["q"], own["latency_ms"]) == pytest.approx(pooled, rel=0.02)
    quantiles = comparison.latency_by_quantile.query("group == 'payments' and q == 0.5").iloc[0]
    row = cell(comparison.latency, group="payments", metric="p50_ms")
    assert quantiles[["ratio", "low", "high"]].tolist() == pytest.approx([row["ratio"], row["low"], row["high"]])
    over_time = comparison.latency_over_time.groupby("group")["ratio"].mean()
    assert over_time["payments"] == pytest.approx(1.3, abs=0.1)
    assert over_time["auth"] == pytest.approx(1.0, abs=0.1)
    assert comparison.latency_over_time["second"].between(0, 10).all()


def test_contributions_add_up_to_the_change_of_the_mean(slowed: tuple[Sweep, Sweep]) -> None:
    comparison = compare_sweeps(*slowed)
    of_group = comparison.contributions.query("group == 'payments'")
    assert set(of_group["name"]) == {"/api/v1/payments", "/api/v1/payments/create"}
    assert of_group["share"].sum() == pytest.approx(1)
    assert of_group["contribution_ms"].is_monotonic_decreasing
    means = [sweep.groups.query("group == 'payments'")["mean_ms"].sum() for sweep in slowed]
    # The rest is that the mix of the two endpoints is not quite the same.
    assert of_group["contribution_ms"].sum() == pytest.approx(means[1] - means[0], rel=0.1)
    assert comparison.contributions.iloc[0]["group"] == "payments"


def test_an_ended_sweep_with_no_runs_compares_to_nothing(record: Record, written: Any) -> None:
    comparison: SweepComparison = compare_sweeps(written.open(), record())
    assert comparison.verdict == "INVALID"


def test_runs_that_count_without_a_steady_state_are_told(record: Record) -> None:
    baseline, candidate = record(seconds=20), record(seconds=20)
    table = baseline.dir.runs()[1].latency
    rows = pd.read_csv(table, keep_default_na=False)
    rows["latency_ms"] = (rows["latency_ms"] * 1.1 ** rows["second"]).round(6)
    rows.to_csv(table, index=False, lineterminator="\n")
    drifting = Sweep.open(baseline.dir)
    [run] = [run for run, why in zip(drifting.runs["run"], drifting.unsteady, strict=True) if why]

    told = [note for note in compare_sweeps(drifting, candidate).notes if "never became steady" in note]
    assert len(told) == 1
    assert told[0].startswith("1 of 5 runs of the baseline never became steady and count all the same")
    assert f"({run}: latency" in told[0]
    # Side by side, both have met the same.
    assert not [note for note in compare_sweeps(drifting, candidate, design="duet").notes if "never became" in note]
