"""The tables of a comparison: whether the two are comparable, every figure with its change, and how to read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.panels import compared_colours
from perflab.chart.style import number
from perflab.report.comparison import phrases
from perflab.report.html import Html, join, row, section_row, table
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Finding, Verdict

_HEAD = ("group", "figure", "baseline", "candidate", "change", "bounds", "in words")
_NUMERIC = (2, 3, 4, 5)
Row = dict[Any, Any]


def comparison_comparability(comparison: SweepComparison) -> Html:
    """In what the two sweeps differ, and whether it matters, is allowed, is the change, or is only listed."""
    frame = comparison.comparability
    if frame.empty:
        told = "Nothing that is recorded of both differs."
        return Html(Markup('<p class="note">{}</p>').format(told), told)
    rows = [
        Markup('<tr{}><th scope="row">{}</th><td class="name">{}</td><td class="name">{}</td><td>{}</td></tr>').format(
            Markup(' class="INVALID marked"') if found["kind"] == "matters" else "",
            found["what"],
            found["baseline"],
            found["candidate"],
            phrases.KINDS[found["kind"]],
        )
        for found in frame.to_dict("records")
    ]
    head = ["what differs", "baseline", "candidate", "does it matter?"]
    return Html(table(head, rows, caption="Comparability"), frame.to_string(index=False))


def comparison_changes(comparison: SweepComparison) -> Html:
    """Every figure that is compared: each group as a whole, then by user count latency, throughput and failures."""
    rows = list(_rows(comparison))
    body = Markup("")
    if rows:
        note = (
            "Figures are geometric means over runs, of the steady window; latency of successful requests by "
            f"{_clock(comparison)}. Bounds: one-sided 95 % each, of the row by itself; of failures, of the difference "
            "of the shares. Whether a row counts as slower stands in its words."
        )
        if comparison.verdict == Verdict.INVALID:
            note = f"The comparison is INVALID: these figures must not be used. {note}"
        filled = table(_HEAD, rows, caption="Changes", numeric=_NUMERIC, note=note)
        body += Markup('<div class="changes">{}</div>').format(filled)
    if comparison.notes:
        notes = join(Markup("<li>{}</li>").format(note) for note in comparison.notes)
        body += Markup('<p class="note">Notes:</p><ul class="notes">{}</ul>').format(notes)
    frames = (comparison.latency_by_group, comparison.latency, comparison.throughput, comparison.failures)
    return Html(body, "\n\n".join(frame.drop(columns=["words", "evidence"]).to_string(index=False) for frame in frames))


def comparison_spread(comparison: SweepComparison) -> Html | None:
    """Where single runs lie among earlier ones of the same configuration; None without ten or more of them."""
    frame = comparison.spread
    if frame.empty:
        return None
    head = ["group", "users", "figure", "candidate", "99 % of such runs", "of", "the candidate is"]
    rows = [
        row(
            [
                found["group"],
                number(int(found["users"])),
                metric_of(found["metric"]).words,
                f"{number(found['candidate'])} ms",
                f"{number(found['low'])} to {number(found['high'])} ms",
                f"{found['runs']} runs",
                "among them" if found["inside"] else "outside",
            ],
            numeric=(1, 3, 4),
        )
        for found in frame.to_dict("records")
    ]
    note = "Runs of the baseline's configuration on disk. It is no verdict: they were made at other times."
    return Html(table(head, rows, caption="Spread", numeric=(1, 3, 4), note=note), frame.to_string(index=False))


def comparison_reading(comparison: SweepComparison) -> Html:
    """How to read it: what the verdicts, the bounds, the margin and the error rate mean, and what can't be told."""
    margin, alpha = phrases.percentage(comparison.margin), phrases.percentage(comparison.alpha)
    items = {
        "REGRESSION (FAIL)": "something is slower, has lost throughput or fails more often, by more than noise "
        f"explains, and is not shown to be within the margin. Of two equal systems at most {alpha} of comparisons "
        "say so, whatever is compared in them.",
        "NO REGRESSION (PASS)": f"every figure is shown to be slower by less than {margin}, or not at all. It takes "
        "more runs than finding a change: finding none proves nothing.",
        "INCONCLUSIVE": "neither: too few runs for how much they differ from each other.",
        "INVALID": "the two can't be compared, or too many runs can't be trusted. The figures must not be used.",
        "Margin": f"the change that would not matter, {margin}. What is slower by less is told, and passes.",
        "Runs count, not requests": "all requests of a run share its luck. So each run gives one figure, and the "
        "question is whether the two sides differ by more than runs of one side do.",
        "Bounds": "each is missed in at most 5 % of comparisons, for its row alone. Among many rows some lie beside "
        "zero by chance; the words tell whether that counts.",
        "It can't tell": "why something is slower; what a difference that is allowed above has done; what another "
        "machine or another load would show; or a rare stall in one run out of many.",
    }
    listed = join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, text) for name, text in items.items())
    body = Markup('<section class="box" aria-label="How to read this"><h3>How to read this</h3><dl>{}</dl></section>')
    return Html(body.format(listed), "\n".join(f"{name}: {text}" for name, text in items.items()))


def _rows(comparison: SweepComparison) -> Iterator[Markup]:
    palette, groups = compared_colours(comparison), comparison.groups
    whole = {
        "latency": comparison.latency_by_group,
        "throughput": comparison.throughput_by_group,
        "failed": comparison.failures_by_group,
    }
    by_level = {"latency": comparison.latency, "throughput": comparison.throughput, "failed": comparison.failures}
    parts = {kind: frame.assign(users=0).to_dict("records") for kind, frame in whole.items()}
    for kind, frame in by_level.items():
        parts[kind] += frame.to_dict("records")
    totals = {found["users"]: found for found in comparison.throughput_by_level.to_dict("records")}
    for users in sorted({found["users"] for rows in parts.values() for found in rows}):
        yield section_row(f"{number(int(users))} users" if users else "All user counts together", len(_HEAD))
        if users in totals:
            yield _row("all requests", "throughput", totals[users], "#222", first=True)
        for group in groups:
            of_group = [
                (kind, found)
                for kind, rows in parts.items()
                for found in rows
                if (found["users"], found["group"]) == (users, group)
            ]
            for place, (kind, found) in enumerate(of_group):
                yield _row(group if place == 0 else "", kind, found, palette[group], first=place == 0)


def _row(name: str, kind: str, found: Row, colour: str, *, first: bool = False) -> Markup:
    finding = Finding(found["verdict"])
    dot = Markup('<span class="dot" style="background:{}"></span>{}').format(colour, name) if name else ""
    if kind == "failed":
        rates = found["baseline_rate"], found["candidate_rate"]
        figures = [*map(phrases.share, rates), phrases.difference(*rates), phrases.points(found["low"], found["high"])]
    else:
        unit = "ms" if kind == "latency" else "/s"
        known = "baseline" in found
        figures = [f"{number(found[side])} {unit}" if known else "" for side in ("baseline", "candidate")]
        figures += [phrases.change(found["ratio"]), phrases.bounds(found["low"], found["high"])]
    if finding is Finding.NOT_ASSESSABLE:
        figures[2:] = ["", ""]
    figure = metric_of(found["metric"]).words if "metric" in found else kind
    mark = finding.verdict if finding.marked else "NONE"
    cells = join(Markup('<td class="n">{}</td>').format(text) for text in figures)
    return Markup('<tr class="{}"><th scope="row">{}</th><td>{}</td>{}<td class="result {}">{}</td></tr>').format(
        "first" if first else "", dot, figure, cells, mark, phrases.result(found)
    )


def _clock(comparison: SweepComparison) -> str:
    """Return whose time latencies are."""
    cells = comparison.latency
    other = cells[cells["clock"] == "client"]
    if len(other) == len(cells[cells["clock"] != ""]):
        return "the client's clock"
    where = list(dict.fromkeys(f"{found['group']} at {found['users']} users" for found in other.to_dict("records")))
    more = f" and {len(where) - 5} more" if len(where) > 5 else ""
    return "the wire clock" + (f", of {', '.join(where[:5])}{more} by the client's" if where else "")
