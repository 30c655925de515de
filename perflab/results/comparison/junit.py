"""A comparison's ``junit.xml``: the verdict and the groups as wholes, then a suite for each level, a case a figure.

What is open and keeps the comparison from passing is a failure of the type INCONCLUSIVE. What is not assessable is
skipped, with the reason.
"""

from __future__ import annotations

from junitparser import TestCase

from perflab.results import junit
from perflab.results.comparison.document import ComparisonDocument, Figure
from perflab.vocabulary.verdict import Change, Finding, Verdict


def to_junit(document: ComparisonDocument) -> bytes:
    """Return a comparison's verdicts as JUnit XML in UTF-8."""
    name = f"perflab.{document.candidate.label}.against.{document.baseline.label}"
    lines = [document.headline, *document.other_reasons]
    verdict = junit.case("no regression", document.verdict, lines, kind=document.change.words)
    suites = {"comparison": [verdict]} | {name: [] for name in document.levels}
    for figure in document.figures():
        suite = "comparison" if figure.level is None else figure.level.name
        suites[suite].append(_case(document, figure))
    properties: dict[str, str] = {}
    for side, sweep in (("baseline", document.baseline), ("candidate", document.candidate)):
        properties |= {side: sweep.sweep_id, f"{side}_commit": sweep.git_commit or ""}
    return junit.to_bytes(
        f"perflab {document.candidate.label} against {document.baseline.label}",
        (
            junit.suite(f"{name}.{suite}", document.candidate.created, properties, cases)
            for suite, cases in suites.items()
        ),
    )


def _case(document: ComparisonDocument, figure: Figure) -> TestCase:
    whole = " as a whole" if figure.level is None else ""
    name = f"{figure.group or 'all requests'}{whole}: {figure.name}"
    effect = figure.effect
    if document.verdict == Verdict.INVALID:
        return junit.case(name, Verdict.INVALID, ["the two can't be compared", effect.sentence])
    if effect.verdict is Finding.NOT_ASSESSABLE:
        return junit.skipped(name, effect.sentence)
    if effect.verdict.worse:
        return junit.case(name, Verdict.FAIL, [effect.sentence], kind=Change.REGRESSION)
    is_open = figure.decides and effect.verdict is Finding.OPEN
    return junit.case(name, Verdict.INCONCLUSIVE if is_open else Verdict.PASS, [effect.sentence])
