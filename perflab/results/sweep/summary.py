"""``summary.md``: a sweep's verdict in GitHub-flavoured Markdown, for the page of a CI job."""

from __future__ import annotations

from perflab.results.markdown import code, items, marked, table, text
from perflab.results.sweep import words
from perflab.results.sweep.document import Objective, SweepDocument
from perflab.vocabulary.number import thousands

MAX_FAILURES = 5


def to_summary(document: SweepDocument, report: str | None = None) -> str:
    """Return the summary; `report` is where the whole report lies, None if there is none."""
    blocks = [
        f"## {marked(document.verdict)}: load sweep {text(document.metadata.label)}",
        text(document.headline),
        items(document.reasons),
        _objectives(document),
        _max_sustainable(document),
        _failures(document),
        f"Report: {code(report)}" if report else "",
        f"<sub>{_how_measured(document)}</sub>",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _objectives(document: SweepDocument) -> str:
    """Return a row for each objective and a column for each level; without objectives the levels' verdicts."""
    head = [f"{level.level}<br>{marked(level.verdict)}" for level in document.levels.values()]
    rows = [
        [f"**{text(stated.group)}** {text(words.what(stated))}", words.limit(stated), *map(_cell, levels)]
        for stated, levels in document.objectives()
    ]
    return table(["objective", "limit", *head], rows) if rows else table(head, [["" for _ in head]])


def _cell(objective: Objective | None) -> str:
    if objective is None:
        return "not judged"
    measured = f"{marked(objective.verdict)} **{words.measured(objective)}**"
    return "<br>".join([measured, words.bounds(objective), words.requests(objective)])


def _max_sustainable(document: SweepDocument) -> str:
    if not any(level.objectives for level in document.levels.values()):
        return ""
    best = document.max_sustainable_throughput
    if best is None:
        return (
            "Maximum sustainable throughput: none, because no level has a valid measurement that meets every objective."
        )
    return f"Maximum sustainable throughput: **{best.rps:.1f} successful requests/s** at {best.level}."


def _failures(document: SweepDocument) -> str:
    """Return the most frequent failures of all levels."""
    failures = sorted((kind for kind in document.failures if kind.count), key=lambda kind: -kind.count)
    if not failures:
        return ""
    hidden = len(failures) - MAX_FAILURES
    more = f", {hidden} rarer kinds not shown" if hidden > 0 else ""
    rows = [
        [text(f"{kind.method} {kind.name}"), text(kind.outcome), text(kind.message), thousands(kind.count)]
        for kind in failures[:MAX_FAILURES]
    ]
    return f"Most frequent failures in the steady windows{more}:\n\n" + table(
        ["endpoint", "outcome", "message", "requests"], rows
    )


def _how_measured(document: SweepDocument) -> str:
    about, plan = document.metadata, document.plan
    clocks = {level.totals.latency_ms.clock for level in document.levels.values()} - {None}
    facts = [
        f"sweep {about.sweep_id}, {document.status}",
        f"perflab {about.versions.get('perflab', '')} with Locust {about.versions.get('locust', '')}",
        f"{plan.duration_s:g} s of steady state after {plan.spawn_rate:g} users/s and {plan.settle_s:g} s to settle",
        f"repeats: {plan.repeats}",
        f"seed: {about.seed}",
        *(f"latency by the {clock} clock" for clock in sorted(map(str, clocks))),
        "bounds: one-sided 95 %",
    ]
    return text("; ".join(facts))
