"""Pieces of JUnit XML, for CI servers.

FAIL is a failure and INVALID an error. INCONCLUSIVE is a failure too, and says so: a skipped case would leave the page
green, while perflab exits with 4.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from perflab.vocabulary.text import one_line
from perflab.vocabulary.verdict import Verdict

MAX_TEXT = 10_000


def to_bytes(name: str, suites: Iterable[TestSuite]) -> bytes:
    """Return a document with its suites and their counts, in UTF-8."""
    root = JUnitXml(name)
    for suite in suites:
        root.add_testsuite(suite)
    root.update_statistics()  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    root.write(buffer, pretty=True)
    return buffer.getvalue()


def suite(name: str, began: datetime, properties: Mapping[str, str], cases: Iterable[TestCase]) -> TestSuite:
    """Return a suite with its cases."""
    made = TestSuite(xml_text(name))
    # Ant's schema knows no time zone; CI servers take it for UTC.
    made.timestamp = f"{began:%Y-%m-%dT%H:%M:%S}"
    for key, value in properties.items():
        made.add_property(key, xml_text(value))
    for case in cases:
        case.classname = made.name
        made.add_testcase(case)
    return made


def case(name: str, verdict: Verdict, lines: Sequence[str], *, kind: str = "", seconds: float = 0.0) -> TestCase:
    """Return a case with what is said of it; `kind` is its result's type where that is no verdict."""
    made = TestCase(xml_text(name), time=round(seconds, 3))
    said = [xml_text(line) for line in lines]
    if verdict == Verdict.PASS:
        made.system_out = "\n".join(said)
    else:
        result = (Error if verdict == Verdict.INVALID else Failure)("; ".join(said), kind or verdict)
        result.text = "\n".join(said)
        made.result = result
    return made


def skipped(name: str, why: str) -> TestCase:
    """Return a case that can't be judged and keeps nothing from passing."""
    made = TestCase(xml_text(name), time=0.0)
    made.result = Skipped(xml_text(why))
    return made


def xml_text(text: str) -> str:
    """Return `text` on one line, without the characters that no XML may hold, escaped or not."""
    return one_line(text, MAX_TEXT)
