"""Where a change is: curves, time, endpoints, and a single run among earlier ones."""

from __future__ import annotations

import numpy as np
import pytest

from perflab.analyse.comparison.sweeps import compare_sweeps
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Group, Objectives
from perflab.vocabulary.verdict import Change
from tests.analyse.comparison.conftest import Record, cell


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


def test_a_single_run_is_placed_among_earlier_ones(record: Record) -> None:
    single = {"repeats": 1, "run_cv": 0.05}
    history = [record(**single) for _ in range(12)]
    baseline, candidate = record(**single), record(**single, slowdown={"payments": 1.6})
    comparison = compare_sweeps(baseline, candidate, history=history)
    assert comparison.change == Change.INCONCLUSIVE
    inside = comparison.spread.set_index("group")["inside"]
    assert inside.to_dict() == {"auth": True, "generation": True, "payments": False}
    assert set(comparison.spread["runs"]) == {13}
    assert any("payments p50 at 50 users" in note and "outside" in note for note in comparison.notes)
    assert compare_sweeps(baseline, candidate, history=history[:8]).spread.empty
    # The two that are compared are no history of their own.
    assert compare_sweeps(baseline, candidate, history=[*history[:8], baseline, candidate]).spread.empty


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
