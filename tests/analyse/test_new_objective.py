"""A new kind of objective takes a metric and a function that judges it; all outputs follow.

The Apdex score is one with a parameter of its own: the share of requests within a threshold, those within four times as
much counted as half.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from perflab import report
from perflab.analyse.bounds import by_second, share_of
from perflab.analyse.comparison.sweeps import compare_sweeps
from perflab.analyse.judge import JUDGES
from perflab.analyse.judgement import Judgement, judged
from perflab.analyse.observed import Observed
from perflab.analyse.sweep import Sweep
from perflab.cli.output import print_result
from perflab.errors import UsageError
from perflab.plan.objectives import Objective, Objectives, load_objectives
from perflab.results.sweep import build, to_junit, to_summary
from perflab.vocabulary.metric import METRICS, Metric
from perflab.vocabulary.verdict import Verdict
from tests.analyse.conftest import Written
from tests.analyse.test_settled import SECONDS, idle, rows, step

APDEX = Metric("apdex", "apdex", "", "at_least", 6, most=1.0, parameters=("threshold_ms",))


def judge_apdex(objective: Objective, observed: Observed) -> Judgement:
    latency, threshold = observed.latency, objective.parameters["threshold_ms"]
    weights = 0.5 * (latency.latency_ms <= threshold) + 0.5 * (latency.latency_ms <= 4 * threshold)
    scores = by_second(latency.second, latency.count * weights, sum(latency.lengths))
    estimate = share_of(scores, observed.ok + observed.failed, latency.lengths)
    return replace(judged(objective, estimate, lambda _: False, observed.seconds), clock=observed.clock)


@pytest.fixture(autouse=True)
def apdex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, APDEX.name, APDEX)
    monkeypatch.setitem(JUDGES, APDEX.name, judge_apdex)


def stated(folder: Path, spec: str) -> Objectives:
    path = folder / "objectives.toml"
    path.write_text(f'[shop]\nendpoints = ["/a"]\n{spec}\n', encoding="utf-8")
    return load_objectives(path, {})


def measured(folder: Path, threshold: float) -> Sweep:
    """Half of the requests take 100 ms, the others 300 ms."""
    written = Written(folder / "runs")
    written.objectives = stated(folder, f"apdex = {{ at_least = 0.9, threshold_ms = {threshold} }}")
    written.run([(second, "/a", "ok", ms, 50, "client") for second in range(10) for ms in (100.0, 300.0)])
    return written.open()


def test_objectives_are_values(tmp_path: Path) -> None:
    one, other = (stated(tmp_path, "apdex = { at_least = 0.9, threshold_ms = 200 }") for _ in range(2))
    assert len({one, other}) == 1


def test_every_metric_but_a_percentile_has_its_judge() -> None:
    assert METRICS.keys() == JUDGES.keys()


@pytest.mark.parametrize(("threshold", "score", "verdict"), [(300, 1, "PASS"), (200, 0.75, "FAIL"), (50, 0.25, "FAIL")])
def test_it_is_judged_by_its_parameter(tmp_path: Path, threshold: float, score: float, verdict: str) -> None:
    [level] = build(measured(tmp_path, threshold)).levels.values()
    row = level.objectives["shop apdex"]
    assert (row.measured, row.verdict, row.parameters) == (score, verdict, {"threshold_ms": threshold})


def test_every_output_states_the_parameter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = measured(tmp_path, 217)
    print_result(sweep, as_json=False)
    outputs = [capsys.readouterr().out, *sweep.reasons, to_summary(build(sweep)), to_junit(build(sweep)).decode()]
    for output in (*outputs, report.sweep.verdict(sweep)._repr_html_()):
        assert "217" in output, output


def test_a_parameter_that_differs_is_told_of_two_sweeps(tmp_path: Path) -> None:
    strict, lax = measured(tmp_path, 200), measured(tmp_path, 300)
    told = compare_sweeps(strict, lax).comparability.set_index("what")
    assert told.loc["objectives", ["baseline", "candidate"]].str.contains("threshold_ms").all()


def test_it_has_no_part_in_the_excuse_that_a_percentile_barely_moved(tmp_path: Path) -> None:
    written = Written(tmp_path / "runs")
    written.objectives = stated(tmp_path, "p95_ms = { at_most = 900 }\napdex = { at_least = 0.5, threshold_ms = 200 }")
    written.run(rows(step), generator=idle(), window=(0, SECONDS))
    sweep = written.open()
    assert sweep.verdict == Verdict.INCONCLUSIVE
    assert "never became steady" in sweep.reasons[0]


@pytest.mark.parametrize(
    "spec",
    [
        "apdex = { at_least = 0.9 }",
        "apdex = { threshold_ms = 200 }",
        "apdex = { at_least = 0.9, threshold_ms = 'x' }",
        "apdex = { at_least = 0.9, threshold_ms = -1 }",
        "apdex = { at_least = 0.9, threshold_ms = nan }",
        "apdex = { at_least = 0.9, threshold_ms = true }",
        "p95_ms = { at_most = 200, threshold_ms = 200 }",
    ],
)
def test_a_parameter_is_a_number_and_stated_where_it_belongs(tmp_path: Path, spec: str) -> None:
    with pytest.raises(UsageError, match=r"objectives.toml, \[shop\]"):
        stated(tmp_path, spec)
