from __future__ import annotations

import re
from pathlib import Path

import pytest
from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from perflab.analyse.sweep import Sweep
from perflab.results.junit import xml_text
from perflab.results.sweep import build, to_junit
from perflab.vocabulary.verdict import Verdict
from tests.analyse.conftest import Written

HOSTILE = "a\x00\x08\x1b]]>\"'<b>&amp;\n\u2028\ufffe𝛑"


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "runs")


def parse(xml: bytes) -> list[TestSuite]:
    return list(JUnitXml.fromstring(xml))


def by_name(suite: TestSuite) -> dict[str, TestCase]:
    cases = {str(case.name): case for case in suite}
    assert len(cases) == len(suite)
    return cases


def result(case: TestCase) -> tuple[type, str, str]:
    [found] = case.result
    return type(found), found.type, found.message


def test_each_verdict_has_its_mark(written: Written) -> None:
    written.limit("success_rate", 0.9)
    written.limit("p95_ms", 100)
    written.limit("error_rate", 0.0)
    rows = [(second, "/a", "ok", 5.0, 30) for second in range(10)]
    written.run(rows)
    written.run([(*row[:3], 500.0, 30) for row in rows], users=20)
    written.run(rows, users=30, users_reached=29)
    met, missed, invalid = map(by_name, parse(to_junit(build(written.open()))))
    success, p95, error = "shop success rate >= 90 %", "shop p95 <= 100 ms", "shop error rate <= 0 %"
    assert list(met) == ["measurement is valid", success, p95, error]
    assert all(met[name].is_passed for name in ("measurement is valid", success, p95))
    assert met[p95].system_out == "5 ms (5 to 5 ms, 300 requests, 300 effective, client clock)"
    kind, verdict, message = result(met[error])
    # A skipped case would leave CI green, while perflab exits with 4.
    assert (kind, verdict) == (Failure, Verdict.INCONCLUSIVE)
    assert message.startswith("shop error rate at 10 users: 0 % ")
    kind, verdict, message = result(missed[p95])
    assert (kind, verdict) == (Failure, "FAIL")
    assert message.startswith("shop p95 at 20 users: 500 ms (500 to 500 ms) is above the allowed 100 ms")
    assert missed["measurement is valid"].is_passed
    assert {result(case)[:2] for case in invalid.values()} == {(Error, "INVALID")}
    assert result(invalid["measurement is valid"])[2] == "users-0030-r1: only 29 of 30 users were running"


def test_suites_tell_their_level_their_counts_and_their_time(hostile_sweep: Sweep) -> None:
    metrics = build(hostile_sweep)
    root = JUnitXml.fromstring(to_junit(metrics))
    suites = list(root)
    assert [suite.name for suite in suites] == ["perflab.hostile.users-0020", "perflab.hostile.users-0040"]
    for suite, (name, run) in zip(suites, metrics.timestamps.runs.items(), strict=True):
        assert run.start is not None
        assert run.end is not None
        seconds = (run.end - run.start).total_seconds()
        assert (suite.time, next(iter(suite)).time) == (seconds, seconds)
        assert suite.timestamp == f"{run.start:%Y-%m-%dT%H:%M:%S}"
        assert {case.classname for case in suite} == {f"perflab.hostile.{name.removesuffix('-r1')}"}
        assert (suite.tests, suite.errors, suite.skipped) == (len(list(suite)), 0, 0)
        assert suite.failures == sum(case.is_failure for case in suite) > 0
        properties = {found.name: found.value for found in suite.properties()}  # type: ignore[no-untyped-call]
        assert properties["sweep_id"] == hostile_sweep.id
        assert properties["version.locust"] == "2.47.0"
    assert root.failures == sum(suite.failures for suite in suites)
    assert root.tests == sum(suite.tests for suite in suites)


@pytest.mark.parametrize("verdict", ["PASS", "INVALID", Verdict.INCONCLUSIVE])
def test_without_objectives_the_measurement_alone_is_a_case(written: Written, verdict: str) -> None:
    written.run(
        [(second, "/a", "ok", 5.0, 30) for second in range(10)], users_reached=9 if verdict == "INVALID" else 10
    )
    metrics = build(written.open())
    if verdict == Verdict.INCONCLUSIVE:
        [level] = metrics.levels.values()
        unsteady = level.model_copy(update={"verdict": verdict, "reasons": ["it never became steady"]})
        metrics = metrics.model_copy(update={"levels": {"users-0010": unsteady}})
    [suite] = parse(to_junit(metrics))
    [case] = suite
    assert metrics.levels["users-0010"].verdict == verdict
    assert [(type(found), found.type) for found in case.result] == {
        "PASS": [],
        "INVALID": [(Error, "INVALID")],
        Verdict.INCONCLUSIVE: [(Failure, Verdict.INCONCLUSIVE)],
    }[verdict]


def test_a_level_without_a_run_is_told(written: Written) -> None:
    written.run([(second, "/a", "ok", 5.0, 30) for second in range(10)])
    suites = parse(to_junit(build(written.open(users=(10, 20)))))
    assert [suite.is_error for [suite] in suites] == [False, True]


def test_hostile_texts_come_through(written: Written) -> None:
    """Whatever stands in names and messages, the file is XML, and a text stays a text."""
    shown = "a]]>\"'<b>&amp;𝛑"
    written.limit("p95_ms", 1, group=shown, patterns=(shown, "/a"))
    written.run([(second, "/a", "ok", 5.0, 30) for second in range(10)])
    metrics = build(written.open())
    xml = to_junit(metrics)
    # What no name may hold, a message may.
    assert xml_text(HOSTILE) == "a\\x00\\x08\\x1b]]>\"'<b>&amp;\\n\\u2028\\ufffe𝛑"
    [suite] = parse(xml)
    case = by_name(suite)[f"{shown} p95 <= 1 ms"]
    assert result(case)[2].startswith(f"{shown} p95 at 10 users: 5 ms")
    assert case.result[0].text.startswith(f"{shown} p95 at 10 users: 5 ms")
    assert set(re.findall(rb"<([\w-]+)", xml)) == {
        *(b"testsuites", b"testsuite", b"properties", b"property", b"testcase", b"failure", b"system-out")
    }
