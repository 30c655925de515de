"""``junit.xml``: a test suite a level, a test case an objective, for CI servers.

FAIL is a failure and INVALID an error. INCONCLUSIVE is a failure too, and says so: a skipped case would leave the page
green, while perflab exits with 4. A level's measurement is a case of its own, which takes all the time of its runs.
"""

from __future__ import annotations

import io

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from perflab.report import phrases
from perflab.report.metrics import Level, Metrics, Objective
from perflab.vocabulary.metric import PLAIN_SIGNS
from perflab.vocabulary.number import thousands
from perflab.vocabulary.text import one_line
from perflab.vocabulary.verdict import Verdict

MEASUREMENT = "measurement is valid"
LONGEST = 10_000


def junit_xml(metrics: Metrics) -> bytes:
    """Return a sweep's verdicts as JUnit XML in UTF-8."""
    label = metrics.metadata.label
    root = JUnitXml(f"perflab {label}")
    for key, level in metrics.levels.items():
        root.add_testsuite(_suite(metrics, f"users-{key}", level))
    return to_bytes(root)


def to_bytes(root: JUnitXml) -> bytes:
    """Return a document with its counts in UTF-8."""
    root.update_statistics()  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    root.write(buffer, pretty=True)
    return buffer.getvalue()


def _suite(metrics: Metrics, name: str, level: Level) -> TestSuite:
    classname = f"perflab.{metrics.metadata.label}.{name}"
    suite = TestSuite(classname)
    runs = [run for folder, run in metrics.timestamps.runs.items() if folder.startswith(f"{name}-")]
    begun = min((run.start for run in runs if run.start), default=metrics.timestamps.created)
    # Ant's schema knows no time zone; CI servers take it for UTC.
    suite.timestamp = f"{begun:%Y-%m-%dT%H:%M:%S}"
    for key, value in _properties(metrics).items():
        suite.add_property(key, xml_text(value))
    seconds = sum((run.end - run.start).total_seconds() for run in runs if run.start and run.end)
    suite.add_testcases(
        [
            _case(MEASUREMENT, classname, seconds, *_measurement(level)),
            *(_of_objective(objective, classname) for objective in level.objectives.values()),
        ]
    )
    return suite


def _properties(metrics: Metrics) -> dict[str, str]:
    about = metrics.metadata
    return {
        "sweep_id": about.sweep_id,
        "headline": metrics.headline,
        "git_commit": about.git_commit or "",
        **{f"version.{name}": version for name, version in about.versions.items()},
    }


def _measurement(level: Level) -> tuple[Verdict, list[str]]:
    """Return the verdict on a level's measurement alone, and why."""
    # What no objective's case shows: INVALID of course, and what the locustfile says of itself.
    explained = level.verdict in {objective.verdict for objective in level.objectives.values()}
    if level.verdict == Verdict.INVALID or (level.verdict != Verdict.PASS and not explained):
        return level.verdict, level.reasons
    shown = {objective.reason for objective in level.objectives.values()}
    further = [line for line in level.reasons if line not in shown]
    measured = f"{thousands(level.totals.requests)} requests in {level.steady_s} s of steady state"
    return Verdict.PASS, [measured, *further]


def _of_objective(objective: Objective, classname: str) -> TestCase:
    name = f"{objective.group} {phrases.what(objective)} {phrases.limit(objective, PLAIN_SIGNS)}"
    measured = f"{phrases.measured(objective)} ({', '.join(phrases.evidence(objective))})"
    return _case(name, classname, 0.0, objective.verdict, [objective.reason or measured])


def _case(name: str, classname: str, seconds: float, verdict: Verdict, said: list[str]) -> TestCase:
    case = TestCase(xml_text(name), classname, round(seconds, 3))
    lines = [xml_text(line) for line in said]
    text = "\n".join(lines)
    if verdict == Verdict.PASS:
        case.system_out = text
        return case
    result = (Error if verdict == Verdict.INVALID else Failure)("; ".join(lines), verdict)
    result.text = text
    case.result = result
    return case


def xml_text(text: str) -> str:
    """Return `text` on one line, without the characters that no XML may hold, escaped or not."""
    return one_line(text, LONGEST)
