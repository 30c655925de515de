"""Which sweeps and which of their runs can be compared, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from perflab.analyse.comparison.comparability import WAIVABLE, same_configuration
from perflab.analyse.comparison.sweeps import compare_sweeps
from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.store.manifest import RunManifest
from perflab.vocabulary.verdict import Change
from tests.analyse.comparison.conftest import Record, cell, rewrite, rewrite_runs


def test_only_runs_of_the_same_configuration_are_history(record: Record) -> None:
    sweep, same = record(), record()
    other_seed, other_commit = record(seed=2), rewrite_runs(record(), lambda _: {"git_commit": "f00"})
    assert same_configuration(sweep, [sweep, same, other_seed, other_commit]) == [same]


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
            "locust-options",
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
    assert any(note.endswith("locustfile, mix, variables, machine") for note in comparison.notes)


def test_an_unknown_name_can_not_be_waived(slowed: tuple[Sweep, Sweep]) -> None:
    with pytest.raises(UsageError, match="'locust'") as raised:
        compare_sweeps(*slowed, allow_different=["locust"])
    assert all(name in str(raised.value) for name in WAIVABLE)


def test_a_level_of_the_baseline_alone_keeps_it_from_passing(record: Record) -> None:
    comparison = compare_sweeps(record(users=(50, 60)), record(), margin=0.5)
    assert comparison.change == Change.INCONCLUSIVE
    assert comparison.reasons == ["60 users: only the baseline has runs"]
    other_way = compare_sweeps(comparison.candidate, comparison.baseline, margin=0.5)
    assert other_way.change == "NO_REGRESSION"
    assert "60 users: only the candidate has runs" in other_way.notes


def test_no_level_in_common_is_invalid(record: Record) -> None:
    comparison = compare_sweeps(record(users=(50,)), record(users=(60,)))
    assert comparison.verdict == "INVALID"
    assert "no level in common: the baseline has 50 users, the candidate 60 users" in comparison.reasons[0]
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
