"""A comparison's ``junit.xml``: the verdict and the groups as wholes, then a test suite a user count, a case a figure.

A regression is a failure and INVALID an error. What is open and keeps the comparison from passing is a failure of the
type INCONCLUSIVE: a skipped case would leave the page green. What is not assessable is skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from perflab.report.comparison.document import ComparisonDocument, ErrorRates, Level, Ratio
from perflab.report.junit import to_bytes, xml_text
from perflab.vocabulary.verdict import Finding, Verdict


def comparison_junit(document: ComparisonDocument) -> bytes:
    """Return a comparison's verdicts as JUnit XML in UTF-8."""
    root = JUnitXml(f"perflab {document.candidate.label} against {document.baseline.label}")
    root.add_testsuite(_suite(document, "comparison", [_verdict(document), *_wholes(document)]))
    for key, level in document.levels.items():
        root.add_testsuite(_suite(document, f"users-{key}", list(_figures(document, level))))
    return to_bytes(root)


def _suite(document: ComparisonDocument, name: str, cases: list[TestCase]) -> TestSuite:
    suite = TestSuite(xml_text(f"perflab.{document.candidate.label}.against.{document.baseline.label}.{name}"))
    # Ant's schema knows no time zone; CI servers take it for UTC.
    suite.timestamp = f"{document.candidate.created:%Y-%m-%dT%H:%M:%S}"
    for side, sweep in (("baseline", document.baseline), ("candidate", document.candidate)):
        suite.add_property(side, xml_text(sweep.sweep_id))
        suite.add_property(f"{side}_commit", xml_text(sweep.git_commit or ""))
    for case in cases:
        case.classname = suite.name
    suite.add_testcases(cases)
    return suite


def _verdict(document: ComparisonDocument) -> TestCase:
    case = TestCase("no regression", time=0.0)
    lines = [document.headline, *document.reasons]
    if document.verdict == Verdict.PASS:
        case.system_out = xml_text(document.headline)
    else:
        kind = Error if document.verdict == Verdict.INVALID else Failure
        case.result = _result(kind, document.change.words, lines)
    return case


def _wholes(document: ComparisonDocument) -> Iterator[TestCase]:
    for name, group in document.groups.items():
        for figure, found in (
            ("latency", group.latency),
            ("throughput", group.throughput),
            ("failed requests", group.errors),
        ):
            if found is not None:
                yield _case(document, f"{name} as a whole: {figure}", found, decides=False)


def _figures(document: ComparisonDocument, level: Level) -> Iterator[TestCase]:
    if level.throughput is not None:
        yield _case(document, "all requests: throughput", level.throughput, decides=True)
    for name, group in level.groups.items():
        for percentile, found in group.latency.items():
            yield _case(document, f"{name}: {percentile}", found, decides=True)
        if group.throughput is not None:
            yield _case(document, f"{name}: throughput", group.throughput, decides=False)
        if group.errors is not None:
            yield _case(document, f"{name}: failed requests", group.errors, decides=False)


def _case(document: ComparisonDocument, name: str, found: Ratio | ErrorRates, *, decides: bool) -> TestCase:
    """Return a figure's case; `decides` tells whether the comparison can't pass while it is open."""
    case = TestCase(xml_text(name), time=0.0)
    if document.verdict == Verdict.INVALID:
        case.result = _result(Error, Verdict.INVALID, ["the two can't be compared", found.sentence])
    elif found.verdict.worse:
        case.result = _result(Failure, "REGRESSION", [found.sentence])
    elif found.verdict == Finding.OPEN and decides:
        case.result = _result(Failure, Verdict.INCONCLUSIVE, [found.sentence])
    elif found.verdict == Finding.NOT_ASSESSABLE:
        case.result = Skipped(xml_text(found.sentence))
    else:
        case.system_out = xml_text(found.sentence)
    return case


def _result(kind: type[Error] | type[Failure], verdict: str, lines: list[str]) -> Error | Failure:
    said = [xml_text(line) for line in lines]
    result = kind(said[0], verdict)
    result.text = "\n".join(said)
    return result
