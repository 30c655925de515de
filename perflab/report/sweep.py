"""A sweep's page, piece by piece: the verdict first, then the tables, and how it was measured.

report.sweep.verdict(sweep)
"""

from __future__ import annotations

from typing import Any

from perflab.analyse.sweep import Sweep
from perflab.chart.levels import group_names
from perflab.chart.style import colours, number
from perflab.report.html import Html, definitions, first_reasons, html
from perflab.results import document_of
from perflab.results.sweep import SweepDocument, words
from perflab.results.sweep.document import EndpointFigures, LevelResult, Run
from perflab.vocabulary.level import levels_in_words
from perflab.vocabulary.metric import PERCENTILES
from perflab.vocabulary.verdict import Verdict

MAX_FAILURES = 20
_CELL = (
    "Each cell: measured value and verdict, then its one-sided 95 % bounds and the number of requests behind it, "
    "with how many independent ones would tell as much: requests that queue resemble each other. Where that is "
    "missing, none or all have failed: nothing shows how they depend, and they are taken as independent. "
    "PASS and FAIL need the bound, not just the value, on one side of the limit. Latencies are the wire "
    "clock's, the kernel's own, unless a cell says otherwise."
)


def title(sweep: Sweep) -> str:
    """Return the title of a sweep's page."""
    return f"Load sweep {sweep.id}"


def parameters(sweep: Sweep) -> dict[str, Any]:
    """Return the parameters of a notebook that shows a sweep."""
    return {"sweep_id": sweep.id, "runs_dir": str(sweep.dir.runs_dir.absolute())}


def verdict(sweep: Sweep) -> Html:
    """The verdict with its reasons; then one row per objective and one column per level, with the evidence."""
    document: SweepDocument = document_of(sweep)
    began = document.timestamps.start or document.timestamps.created
    requests = sum(level.totals.requests for level in document.levels.values())
    reasons = first_reasons(document.reasons)
    facts = f"{began:%Y-%m-%d %H:%M} UTC · {number(requests)} requests judged · {sweep.id}"
    text = "\n".join([f"{document.verdict}: {document.headline}", *reasons])
    values = {"document": document, "reasons": reasons, "facts": facts, "note": _CELL, "words": words}
    return html("sweep/verdict", text, values)


def endpoints(sweep: Sweep) -> Html:
    """Requests, failures and latency of each endpoint at each level, in the steady window."""
    document: SweepDocument = document_of(sweep)
    levels = [(level, _by_group(level)) for level in document.levels.values() if level.endpoints]
    rows = [row for _, of_level in levels for row in of_level]
    # The wire clock is the rule; where there is another one, each row says its own.
    other_clocks = not {row.latency_ms.clock for row in rows if row.ok} <= {"wire"}
    by = "the clock named in each row" if other_clocks else "the wire clock"
    note = f"Steady window, repeats pooled. Latency of successful requests by {by}, within 0.5 %."
    if any(row.unanswered for row in rows):
        note += " ∞: slower than every other, because it was never answered."
    latencies = [f"{name} ms" for name in (*(metric.words for metric in PERCENTILES), "max")]
    head = ["endpoint", "group", "requests", "requests/s", "failed", *latencies]
    values = {
        "levels": levels,
        "head": [*head, "clock"] if other_clocks else head,
        "numeric": range(2, len(head)),
        "note": note,
        "other_clocks": other_clocks,
        "percentiles": PERCENTILES,
        "colours": dict.fromkeys({row.group for row in rows}, "#7a7a7a") | colours(group_names(sweep)),
    }
    return html("sweep/endpoints", sweep.listed_endpoints.to_string(index=False), values)


def failures(sweep: Sweep) -> Html:
    """Failed requests by endpoint and message, most frequent first; whole runs, ramp-up included."""
    document: SweepDocument = document_of(sweep)
    shown = document.failures[:MAX_FAILURES]
    hidden = len(document.failures) - len(shown)
    note = "Whole runs, ramp-up included." + (f" {hidden} rarer kinds are not shown." if hidden else "")
    if not shown:
        note = "No request failed in any run."
    lines = [f"{row.whole_runs} {row.method} {row.name}: {row.outcome}, {row.message}" for row in shown]
    return html("sweep/failures", "\n".join(lines) or note, {"failures": shown, "note": note})


def runs(sweep: Sweep) -> Html:
    """Every run: its status, its steady window, what it did, and whether it can be trusted."""
    document: SweepDocument = document_of(sweep)
    values = {"document": document, "runs": _runs(document), "invalid": Verdict.INVALID}
    return html("sweep/runs", sweep.runs.to_string(index=False), values)


def generator(sweep: Sweep) -> Html:
    """How each source did in the steady window: what it achieved of the intended load, and its clients' overhead."""
    return html("sweep/generator", sweep.health.to_string(index=False), {"runs": _runs(document_of(sweep))})


def how_measured(sweep: Sweep) -> Html:
    """The plan, the target, the machine, versions, and notes on the data."""
    document: SweepDocument = document_of(sweep)
    about, plan = document.metadata, document.plan
    facts = {
        "Sweep": f"{about.sweep_id}, {document.status}",
        "Target": f"{plan.launch}  (started and stopped by perflab)" if about.target.managed else about.target.host,
        "Locustfile": about.locustfile,
        "Options for Locust": plan.locust_options,
        "Levels": levels_in_words(sweep.manifest.plan.levels),
        "Load": (
            f"{plan.spawn_rate:g} users/s spawned, {plan.settle_s:g} s to settle, then {plan.duration_s:g} s of steady "
            f"state; repeats: {plan.repeats}; Locust processes: {plan.processes}; seed: {about.seed}"
        ),
        "Versions": ", ".join(f"{name} {version}" for name, version in about.versions.items()),
        "Git commit": about.git_commit or "",
        "Machine": "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in about.machine.items() if value),
        "Percentiles": (
            "the smallest recorded latency that at least this share of the successful requests did not exceed; "
            "recorded within 0.5 %, never interpolated, never averaged"
        ),
        "Latency": (
            "wire clock: from the moment the request's first byte was handed to the kernel (a new connection's opening "
            "included) to the kernel's receive time of the answer's last byte"
        ),
        "Intervals": "one-sided 95 %: order statistics for percentiles, Clopper-Pearson for rates",
    }
    known = {name: fact for name, fact in facts.items() if fact}
    return html("sweep/how_measured", definitions(known), {"facts": known, "notes": document.notes})


def _by_group(level: LevelResult) -> list[EndpointFigures]:
    """Return a level's endpoints, those of one group together."""
    order = {group: number for number, group in enumerate(level.groups)}
    return sorted(
        level.endpoints.values(), key=lambda row: (order.get(row.group, len(order)), row.group, row.name, row.method)
    )


def _runs(document: SweepDocument) -> list[Run]:
    return [run for level in document.levels.values() for run in level.runs.values()]
