"""A comparison's ``summary.md`` in GitHub-flavoured Markdown, for the page of a CI job."""

from __future__ import annotations

from perflab.results.comparison import words
from perflab.results.comparison.document import ComparisonDocument, FailureRates, Ratio
from perflab.results.markdown import code, items, table, text
from perflab.vocabulary.verdict import Finding

MAX_ROWS = 12


def to_summary(document: ComparisonDocument, report: str | None = None) -> str:
    """Return the summary; `report` is where the whole report lies, None if there is none."""
    blocks = [
        f"## {document.verdict.emoji} {document.change.words}: "
        f"{text(document.candidate.label)} against {text(document.baseline.label)}",
        text(document.headline),
        items(document.other_reasons),
        _groups(document),
        _not_fine(document),
        f"Report: {code(report)}" if report else "",
        f"<sub>{text(_how_to_read(document))}</sub>",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _groups(document: ComparisonDocument) -> str:
    rows = [
        [f"**{text(name)}**", _ratio(group.latency), _ratio(group.throughput), _rates(group.failures)]
        for name, group in document.groups.items()
        if group.latency or group.throughput or group.failures
    ]
    return table(["group", "latency", "throughput", "failed requests"], rows) if rows else ""


def _not_fine(document: ComparisonDocument) -> str:
    """Return the figures of a level that are worse, then those that are open and so keep it from passing."""
    figures = [
        figure
        for figure in document.figures()
        if figure.level is not None
        and (figure.effect.verdict.worse or (figure.decides and figure.effect.verdict is Finding.OPEN))
    ]
    if not figures:
        return ""
    figures.sort(key=lambda figure: not figure.effect.verdict.worse)
    rows = []
    for level, group, name, effect, _ in figures[:MAX_ROWS]:
        change = f"{' → '.join(words.sides(effect))}, {words.change(effect)} ({words.bounds(effect)})"
        rows.append([f"{level}", text(f"{group or 'all requests'}: {name}"), text(change), text(words.result(effect))])
    hidden = len(figures) - MAX_ROWS
    more = f"\n\nand {hidden} more" if hidden > 0 else ""
    return table(["level", "figure", "baseline → candidate", "in words"], rows) + more


def _ratio(effect: Ratio | None) -> str:
    if effect is None:
        return ""
    return f"{effect.verdict.verdict.emoji} **{words.change(effect)}** ({words.bounds(effect)})"


def _rates(effect: FailureRates | None) -> str:
    return "" if effect is None else f"{effect.verdict.verdict.emoji} {' → '.join(words.sides(effect))}"


def _how_to_read(document: ComparisonDocument) -> str:
    facts = [
        f"baseline {document.baseline.sweep_id}, candidate {document.candidate.sweep_id}",
        words.DESIGNS[document.procedure.design],
        f"margin {words.percentage(document.procedure.margin)}",
        words.promise(document),
        "in brackets one-sided 95 % bounds, each of its figure by itself",
    ]
    return "; ".join(facts)
