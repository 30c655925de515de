"""A comparison's page, piece by piece: the verdict first, whether the two are comparable, and every figure's change.

report.comparison.verdict(comparison)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.style import colours
from perflab.plan.ab import ALPHA, MARGIN
from perflab.report.html import Html, definitions, first_reasons, html
from perflab.results import document_of
from perflab.results.comparison import ComparisonDocument, words
from perflab.results.comparison.document import Latency, Side
from perflab.store.layout import ab_of_sides
from perflab.vocabulary.level import Level
from perflab.vocabulary.text import listing
from perflab.vocabulary.verdict import Change, Verdict


def title(comparison: SweepComparison) -> str:
    """Return the title of a comparison's page."""
    ab = ab_of_sides(comparison.baseline.dir, comparison.candidate.dir)
    return f"{comparison.candidate.id} against {comparison.baseline.id}" if ab is None else f"A/B comparison {ab.id}"


def parameters(comparison: SweepComparison) -> dict[str, Any]:
    """Return the parameters of a notebook that shows a comparison."""
    baseline, candidate = comparison.baseline, comparison.candidate
    sides = {"baseline": baseline.id, "candidate": candidate.id, "runs_dir": str(candidate.dir.runs_dir.absolute())}
    # What is as by default, a notebook need not know; and what an A/B comparison keeps to is in its own manifest.
    options: list[tuple[str, Any, Any]] = [("allow_different", list(comparison.allow_different), [])]
    if ab_of_sides(baseline.dir, candidate.dir) is None:
        options += [("margin", comparison.margin, MARGIN), ("alpha", comparison.alpha, ALPHA)]
    return sides | {name: value for name, value, default in options if value != default}


def verdict(comparison: SweepComparison) -> Html:
    """The verdict with its reasons, what has improved, both sides, and the error rate that is kept to."""
    document: ComparisonDocument = document_of(comparison)
    reasons, facts = first_reasons(document.other_reasons), dict(_facts(document))
    text = "\n".join([f"{document.change.words}: {document.headline}", *reasons, definitions(facts)])
    return html("comparison/verdict", text, {"document": document, "reasons": reasons, "facts": facts})


def comparability(comparison: SweepComparison) -> Html:
    """In what the two sweeps differ, and whether it matters, is allowed, is the change, or is only listed."""
    differences = document_of(comparison).comparability
    note = "Nothing that is recorded of both differs."
    text = comparison.comparability.to_string(index=False) if differences else note
    values = {"differences": differences, "importance": words.IMPORTANCE, "note": note}
    return html("comparison/comparability", text, values)


def changes(comparison: SweepComparison) -> Html:
    """Every figure that is compared: each group as a whole, then by level latency, throughput and failures."""
    document: ComparisonDocument = document_of(comparison)
    note = (
        f"Figures are geometric means over runs, of the steady window; latency of successful requests by "
        f"{_clock(document)}. Bounds: one-sided 95 % each, of the row by itself; of failures, of the difference "
        f"of the shares. The words tell whether a row counts as slower."
    )
    if document.verdict == Verdict.INVALID:
        note = f"The comparison is INVALID: these figures must not be used. {note}"
    rows = list(document.figures())
    lines = [
        f"{group or 'all requests'} {name}{_at(level)}: {effect.sentence}" for level, group, name, effect, _ in rows
    ]
    values = {"document": document, "rows": rows, "note": note, "words": words, "colours": colours(comparison.groups)}
    return html("comparison/changes", "\n".join(lines), values)


def spread(comparison: SweepComparison) -> Html | None:
    """Where single runs lie among earlier ones of the same configuration; None without ten or more of them."""
    figures = document_of(comparison).figures()
    rows = [row for row in figures if isinstance(row.effect, Latency) and row.effect.spread is not None]
    return html("comparison/spread", comparison.spread.to_string(index=False), {"rows": rows}) if rows else None


def how_to_read(comparison: SweepComparison) -> Html:
    """What the verdicts, the bounds, the margin and the error rate mean, and what can't be told."""
    procedure = document_of(comparison).procedure
    margin, alpha = words.percentage(procedure.margin), words.percentage(procedure.alpha)

    def gated(change: Change) -> str:
        return f"{change.words} ({change.verdict})"

    items = {
        gated(Change.REGRESSION): "something is slower, has lost throughput or fails more often, by more than noise "
        f"explains, and is not shown to be within the margin. Of two equal systems at most {alpha} of comparisons "
        "say so, whatever is compared in them.",
        gated(Change.NO_REGRESSION): f"every figure is shown to be slower by less than {margin}, or not at all. "
        "It takes more runs than finding a change: finding none proves nothing.",
        Change.INCONCLUSIVE.words: "neither: too few runs for how much they differ from each other.",
        Change.INVALID.words: "the two can't be compared, or too many runs can't be trusted. The figures must not "
        "be used.",
        "Margin": f"the change that would not matter, {margin}. What is slower by less is named, and passes.",
        "Runs count, not requests": "all requests of a run share its luck. So each run gives one figure, and the "
        "question is whether the two sides differ by more than runs of one side do.",
        "Bounds": "each is missed in at most 5 % of comparisons, for its row alone. Among many rows some lie beside "
        "zero by chance; the words tell whether that counts.",
        "It can't tell": "why something is slower; what a difference that is allowed above has done; what another "
        "machine or another load would show; or a rare stall in one run out of many.",
    }
    return html("comparison/how_to_read", definitions(items), {"items": items})


def _facts(document: ComparisonDocument) -> Iterator[tuple[str, str]]:
    for name, groups in (("slower", document.slower), ("improved", document.improved)):
        if groups:
            yield name, ", ".join(_change(document, group) for group in groups)
    yield "baseline", _side(document.baseline)
    yield "candidate", _side(document.candidate)
    yield "design", f"{_runs(document)}; {words.DESIGNS[document.procedure.design]}"
    yield "error rate", words.promise(document)


def _change(document: ComparisonDocument, group: str) -> str:
    latency = document.groups[group].latency
    return group if latency is None else f"{group} {words.change(latency)}"


def _side(side: Side) -> str:
    parts = [side.sweep_id, side.launch or side.target.host]
    if side.git_commit:
        digest, plus, differing = side.git_commit.partition("+")
        parts.append(f"commit {digest[:10]}{plus}{differing}")
    return " · ".join(parts)


def _runs(document: ComparisonDocument) -> str:
    """Return how many runs count at each level."""
    levels = document.levels.values()
    baseline = _range([level.baseline_runs for level in levels])
    candidate = _range([level.candidate_runs for level in levels])
    if document.procedure.design != "separate":
        return f"{baseline} rounds"
    runs = "run" if baseline == "1" else "runs"
    return f"{baseline} {runs} of the baseline and {candidate} of the candidate at each level"


def _range(counts: list[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low}" if low == high else f"{low} to {high}"


def _clock(document: ComparisonDocument) -> str:
    """Return whose time latencies are."""
    clocks = [
        (f"{row.group} at {row.level}", row.effect.clock)
        for row in document.figures()
        if isinstance(row.effect, Latency) and row.effect.clock
    ]
    where = [cell for cell, clock in clocks if clock == "client"]
    if len(where) == len(clocks):
        return "the client's clock"
    return "the wire clock" + (f", of {listing(list(dict.fromkeys(where)))} by the client's" if where else "")


def _at(level: Level | None) -> str:
    return "" if level is None else f" at {level}"
