"""Failures that no objective judges are said wherever a verdict is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from perflab import report
from perflab.analyse.comparison.sweeps import compare_sweeps
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import DEFAULT
from perflab.results.sweep import build, to_junit, to_summary
from perflab.vocabulary.verdict import Verdict
from tests.analyse.conftest import Written

WORDS = "of requests failed (404) and no objective judges that"


def rows(ok: int, failed: int, name: str = "/a") -> list[Any]:
    return [
        (second, name, outcome, 10.0, count)
        for second in range(10)
        for outcome, count in (("ok", ok), ("http_404", failed))
        if count
    ]


def everywhere(sweep: Sweep) -> list[str]:
    """The verdict in words, wherever it is shown."""
    metrics = build(sweep)
    return [sweep.headline, str(report.sweep.verdict(sweep)), to_summary(metrics), metrics.to_json()]


def test_a_pass_on_other_figures_says_so(written: Any) -> None:
    written.limit("p95_ms", 200)
    written.run(rows(97, 3))
    sweep = written.open()
    # 97 % of all requests were answered well within the limit: the p95 is met whatever the others would have been.
    assert (sweep.verdict, sweep.reasons) == ("PASS", [])
    for text in everywhere(sweep):
        assert f"3 % {WORDS}" in text


@pytest.mark.parametrize("failed", [6, 50])
def test_a_latency_is_not_passed_that_fewer_requests_keep_to(written: Any, failed: int) -> None:
    written.limit("p95_ms", 200)
    written.run(rows(100 - failed, failed))
    sweep = written.open()
    assert sweep.verdict == Verdict.INCONCLUSIVE
    assert f"{failed} % {WORDS}" in sweep.reasons[0]
    assert b'failures="1"' in to_junit(build(sweep))
    for text in everywhere(sweep):
        assert f"{failed} % {WORDS}" in text


def test_a_missed_latency_stays_missed(written: Any) -> None:
    written.limit("p95_ms", 1)
    written.run(rows(50, 50))
    assert written.open().verdict == "FAIL"


@pytest.mark.parametrize("metric", ["success_rate", "error_rate"])
def test_where_a_rate_is_limited_there_is_nothing_to_say(written: Any, metric: str) -> None:
    written.limit("p95_ms", 200)
    written.limit(metric, 0.4 if metric == "success_rate" else 0.6)
    written.run(rows(50, 50))
    sweep = written.open()
    assert (sweep.verdict, sweep.unjudged, sweep.notes) == ("PASS", [], [])


def test_other_groups_are_named(written: Any) -> None:
    written.limit("success_rate", 0.9, patterns=("/a",))
    written.run([*rows(50, 0), *rows(0, 10, "/b")])
    sweep = written.open()
    assert sweep.verdict == "PASS"
    assert f"[other]: 100 % {WORDS}" in sweep.headline


def test_with_no_objectives_on_purpose_a_pass_says_so(written: Any) -> None:
    written.run(rows(0, 10))
    sweep = written.open()
    assert sweep.verdict == "PASS"
    for text in everywhere(sweep):
        assert f"100 % {WORDS}" in text


def test_the_default_objective_judges_them(written: Any) -> None:
    written.objectives = DEFAULT
    written.run(rows(90, 10))
    written.run(rows(100, 0), users=20)
    sweep = written.open()
    assert sweep.levels["verdict"].tolist() == ["FAIL", "PASS"]
    assert sweep.unjudged == []
    assert "default" in sweep.headline
    assert any("default" in note for note in sweep.notes)


def test_what_is_of_the_same_kind_is_said_once(written: Any) -> None:
    levels = (10, 20, 30, 40)
    for users in levels:
        written.run(rows(97, 3), users=users)
    sweep = written.open(users=levels)
    assert len(sweep.unjudged) == 4
    assert sweep.headline.count(WORDS) == 1
    assert sweep.headline.count(" 3 more ") == 1


def test_exceptions_of_tasks_are_in_the_headline_of_a_pass(written: Any) -> None:
    written.run(rows(50, 0), task_exceptions=12)
    sweep = written.open()
    assert sweep.verdict == "PASS"
    assert "12 exceptions were raised" in sweep.headline


def test_objectives_of_more_users_than_there_were_have_judged_nothing(written: Any) -> None:
    written.limit("throughput_rps", 1000, from_users=20)
    written.run(rows(50, 0))
    sweep = written.open()
    assert (sweep.verdict, len(sweep.verdicts)) == ("PASS", 0)
    assert "No objective applies" in sweep.headline


def test_a_comparison_tells_of_failures_that_both_sides_have(tmp_path: Path) -> None:
    sides = []
    for name in ("baseline", "candidate"):
        side = Written(tmp_path / name)
        for repeat in range(1, 7):
            side.run(rows(50, 50), repeat=repeat)
        sides.append(side.open(repeats=6))
    comparison = compare_sweeps(*sides)
    assert comparison.verdict == "PASS"
    assert any("50 % of requests failed in all of the baseline and 50 %" in note for note in comparison.notes)
