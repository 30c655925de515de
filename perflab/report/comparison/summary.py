"""A comparison's ``summary.md`` in GitHub-flavoured Markdown, for the page of a CI job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from perflab.report.comparison import phrases
from perflab.report.comparison.document import ComparisonDocument, ErrorRates, Latency, Ratio, Throughput
from perflab.report.markdown import code, items, table, text
from perflab.vocabulary.verdict import Finding

_MOST_ROWS = 12

# What stands in a row of its own.
Figure: TypeAlias = Latency | Throughput | ErrorRates


def comparison_summary(document: ComparisonDocument, report: str | None = None) -> str:
    """Return the summary; `report` is where the whole report lies, None if there is none."""
    # The headline names the gravest one already.
    reasons = [reason for reason in document.reasons if reason not in document.headline]
    blocks = [
        f"## {document.verdict.emoji} {document.change.words}: "
        f"{text(document.candidate.label)} against {text(document.baseline.label)}",
        text(document.headline),
        items(reasons),
        _groups(document),
        _not_fine(document),
        f"Report: {code(report)}" if report else "",
        f"<sub>{text(_how_to_read(document))}</sub>",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _groups(document: ComparisonDocument) -> str:
    rows = [
        [f"**{text(name)}**", _marked(group.latency), _marked(group.throughput), _rates(group.errors)]
        for name, group in document.groups.items()
        if group.latency or group.throughput or group.errors
    ]
    return table(["group", "latency", "throughput", "failed requests"], rows) if rows else ""


def _not_fine(document: ComparisonDocument) -> str:
    """Return what is not fine, what is worse first."""
    found = sorted(_figures(document), key=lambda row: not row[2].verdict.worse)
    rows = [
        [users, text(figure), text(_sides(one)), text(phrases.result(one.model_dump()))]
        for users, figure, one in found[:_MOST_ROWS]
    ]
    if not rows:
        return ""
    hidden = len(found) - _MOST_ROWS
    more = f"\n\nand {hidden} more" if hidden > 0 else ""
    return table(["users", "figure", "baseline → candidate", "in words"], rows) + more


def _figures(document: ComparisonDocument) -> Iterator[tuple[str, str, Figure]]:
    """Yield the figures that are worse, and those that are open and so keep the comparison from passing."""
    for level in document.levels.values():
        figures: list[tuple[str, Figure | None, bool]] = [("all requests: throughput", level.throughput, True)]
        for name, group in level.groups.items():
            figures += [(f"{name}: {percentile}", latency, True) for percentile, latency in group.latency.items()]
        for name, group in level.groups.items():
            figures += [
                (f"{name}: throughput", group.throughput, False),
                (f"{name}: failed requests", group.errors, False),
            ]
        for figure, found, decides in figures:
            if found is not None and (found.verdict.worse or (decides and found.verdict is Finding.OPEN)):
                yield f"{level.users}", figure, found


def _marked(found: Ratio | None) -> str:
    if found is None:
        return ""
    return f"{found.verdict.verdict.emoji} **{phrases.change(found.ratio)}** ({phrases.bounds(found.low, found.high)})"


def _rates(found: ErrorRates | None) -> str:
    return "" if found is None else f"{found.verdict.verdict.emoji} {_sides(found)}"


def _sides(found: Figure) -> str:
    """Return what a figure was and is."""
    if isinstance(found, ErrorRates):
        return f"{phrases.share(found.baseline.rate)} → {phrases.share(found.candidate.rate)}"
    unit = "requests/s" if isinstance(found, Throughput) else "ms"
    before, after = (
        phrases.NOTHING if value is None else f"{value:.4g}" for value in (found.baseline, found.candidate)
    )
    return f"{before} → {after} {unit}, {phrases.change(found.ratio)} ({phrases.bounds(found.low, found.high)})"


def _how_to_read(document: ComparisonDocument) -> str:
    procedure = document.procedure
    facts = [
        f"baseline {document.baseline.sweep_id}, candidate {document.candidate.sweep_id}",
        phrases.DESIGNS[procedure.design],
        f"margin {phrases.percentage(procedure.margin)}",
        phrases.promise(procedure.alpha),
        "in brackets one-sided 95 % bounds, each of its figure by itself",
    ]
    return "; ".join(facts)
