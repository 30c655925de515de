"""A sweep's ``junit.xml``: a test suite for each level, in it a test case for each objective.

A level's measurement is a case of its own, which takes all the time of its runs.
"""

from __future__ import annotations

from junitparser import TestCase, TestSuite

from perflab.results import junit
from perflab.results.sweep import words
from perflab.results.sweep.document import LevelResult, Objective, SweepDocument
from perflab.vocabulary.metric import PLAIN_SIGNS
from perflab.vocabulary.number import thousands
from perflab.vocabulary.verdict import Verdict

MEASUREMENT = "measurement is valid"


def to_junit(document: SweepDocument) -> bytes:
    """Return a sweep's verdicts as JUnit XML in UTF-8."""
    suites = (_suite(document, name, level) for name, level in document.levels.items())
    return junit.to_bytes(f"perflab {document.metadata.label}", suites)


def _suite(document: SweepDocument, name: str, level: LevelResult) -> TestSuite:
    about, times = document.metadata, document.timestamps
    runs = [times.runs[run.name] for run in level.runs.values()]
    properties = {
        "sweep_id": about.sweep_id,
        "headline": document.headline,
        "git_commit": about.git_commit or "",
        **{f"version.{name}": version for name, version in about.versions.items()},
    }
    began = min((run.start for run in runs if run.start), default=times.created)
    seconds = sum((run.end - run.start).total_seconds() for run in runs if run.start and run.end)
    measurement = junit.case(MEASUREMENT, *_measurement(level), seconds=seconds)
    cases = [measurement, *map(_of_objective, level.objectives.values())]
    return junit.suite(f"perflab.{about.label}.{name}", began, properties, cases)


def _measurement(level: LevelResult) -> tuple[Verdict, list[str]]:
    """Return the verdict on a level's measurement alone, and why."""
    # What no objective's case shows: INVALID of course, and what the locustfile says of itself.
    explained = level.verdict in {objective.verdict for objective in level.objectives.values()}
    if level.verdict == Verdict.INVALID or (level.verdict != Verdict.PASS and not explained):
        return level.verdict, level.reasons
    shown = {objective.reason for objective in level.objectives.values()}
    others = [line for line in level.reasons if line not in shown]
    measured = f"{thousands(level.totals.requests)} requests in {level.steady_s} s of steady state"
    return Verdict.PASS, [measured, *others]


def _of_objective(objective: Objective) -> TestCase:
    name = f"{objective.group} {words.what(objective)} {words.limit(objective, PLAIN_SIGNS)}"
    measured = f"{words.measured(objective)} ({words.bounds(objective)}, {words.requests(objective)})"
    return junit.case(name, objective.verdict, [objective.reason or measured])
