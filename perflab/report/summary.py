"""``summary.md``: a sweep's verdict in GitHub-flavoured Markdown, for the page of a CI job."""

from __future__ import annotations

from collections import Counter

from perflab.report import phrases
from perflab.report.markdown import code, items, marked, table, text
from perflab.report.metrics import Level, Metrics, Objective
from perflab.vocabulary.number import thousands

MOST_FAILURES = 5


def summary_md(metrics: Metrics, report: str | None = None) -> str:
    """Return the summary; `report` is where the whole report lies, None if there is none."""
    blocks = [
        f"## {marked(metrics.verdict)}: load sweep {text(metrics.metadata.label)}",
        text(metrics.headline),
        items(metrics.reasons),
        _objectives(list(metrics.levels.values())),
        _max_sustainable(metrics),
        _failures(metrics),
        f"Report: {code(report)}" if report else "",
        f"<sub>{_how_measured(metrics)}</sub>",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _objectives(levels: list[Level]) -> str:
    """Return a row an objective and a column a user count; without objectives the levels' verdicts alone."""
    head = [f"{thousands(level.users)} users<br>{marked(level.verdict)}" for level in levels]
    stated = {key: objective for level in levels for key, objective in level.objectives.items()}
    groups = list(dict.fromkeys(objective.group for objective in stated.values()))
    ordered = sorted(stated.items(), key=lambda item: groups.index(item[1].group))
    rows = [
        [
            f"**{text(objective.group)}** {text(phrases.what(objective))}",
            phrases.limit(objective),
            *(_cell(level.objectives.get(key)) for level in levels),
        ]
        for key, objective in ordered
    ]
    return table(["objective", "limit", *head], rows) if rows else table(head, [["" for _ in head]])


def _cell(objective: Objective | None) -> str:
    if objective is None:
        return "not judged"
    measured = f"{marked(objective.verdict)} **{phrases.measured(objective)}**"
    return "<br>".join([measured, *phrases.evidence(objective)])


def _max_sustainable(metrics: Metrics) -> str:
    if not any(level.objectives for level in metrics.levels.values()):
        return ""
    found = metrics.max_sustainable_throughput
    if found is None:
        told = "none, because no user count has a valid measurement that meets every objective"
    else:
        told = f"**{found.rps:.1f} successful requests/s** at {thousands(found.users)} users"
    return f"Maximum sustainable throughput: {told}."


def _failures(metrics: Metrics) -> str:
    """Return the most frequent failures of all levels."""
    counts: Counter[tuple[str, ...]] = Counter()
    for level in metrics.levels.values():
        for failure in level.failures:
            counts[f"{failure.method} {failure.name}", failure.outcome, failure.message] += failure.count
    rows = [[*map(text, kind), thousands(count)] for kind, count in counts.most_common(MOST_FAILURES)]
    if not rows:
        return ""
    hidden = len(counts) - len(rows)
    more = f", {hidden} rarer kinds not shown" if hidden else ""
    return f"Most frequent failures in the steady windows{more}:\n\n" + table(
        ["endpoint", "outcome", "message", "requests"], rows
    )


def _how_measured(metrics: Metrics) -> str:
    about, plan = metrics.metadata, metrics.plan
    clocks = {level.totals.latency_ms.clock for level in metrics.levels.values()} - {None}
    facts = [
        f"sweep {about.sweep_id}, {metrics.status}",
        f"perflab {about.versions.get('perflab', '')} with Locust {about.versions.get('locust', '')}",
        f"{plan.duration_s:g} s of steady state after {plan.spawn_rate:g} users/s and {plan.settle_s:g} s to settle",
        f"repeats: {plan.repeats}",
        f"seed: {about.seed}",
        *(f"latency by the {clock} clock" for clock in sorted(map(str, clocks))),
        "bounds: one-sided 95 %",
    ]
    return text("; ".join(facts))
