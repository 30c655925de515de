"""The verdict first: a banner with its reasons, then every objective at every level with its evidence."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from perflab.analyse.sweep import Sweep
from perflab.analyse.wording import effective
from perflab.chart.style import number
from perflab.report.html import Html, join, table, tag
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Verdict

_MOST_REASONS = 6


def verdicts(sweep: Sweep) -> Html:
    """The verdict with its reasons; then a row an objective, a column a user count: measured, interval, samples."""
    overall = str(sweep.verdict)
    judged = not sweep.verdicts.empty
    reasons = [str(reason) for reason in sweep.reasons]
    hidden = len(reasons) - _MOST_REASONS
    listed = [*reasons[:_MOST_REASONS], *([f"and {hidden} more, see the table"] if hidden > 0 else [])]
    banner = Markup(
        '<section class="banner {0}" aria-label="Verdict"><p class="word">{1} {0}</p>'
        '<div><p class="sentence">{2}</p>{3}<p class="facts">{4}</p></div></section>'
    ).format(
        overall,
        sweep.verdict.symbol,
        sweep.headline,
        Markup("<ul>{}</ul>").format(join(Markup("<li>{}</li>").format(line) for line in listed)) if listed else "",
        _facts(sweep),
    )
    body = banner + (_matrix(sweep) if judged else _levels(sweep))
    return Html(body, "\n".join([f"{overall}: {sweep.headline}", *listed]))


def _facts(sweep: Sweep) -> str:
    starts = sweep.runs.start.dropna()
    began = starts.min() if len(starts) else sweep.manifest.created
    requests = int(sweep.totals.requests.sum())
    return f"{began:%Y-%m-%d %H:%M} UTC · {number(requests)} requests judged · {sweep.id}"


def _levels(sweep: Sweep) -> Markup:
    tags = (
        Markup("<li>{} users {}</li>").format(number(row["users"]), tag(Verdict(row["verdict"])))
        for row in sweep.levels.to_dict("records")
    )
    return Markup('<ul class="levels">{}</ul>').format(join(tags))


def _matrix(sweep: Sweep) -> Markup:
    levels = sweep.levels.sort_values("users").to_dict("records")
    cells = {
        (row["group"], row["objective"], row["endpoints"], row["users"]): row
        for row in sweep.verdicts.to_dict("records")
    }
    objectives = dict.fromkeys(key[:3] for key in cells)
    head = ["group", "objective", *(_level_head(level) for level in levels)]
    rows, last = [], None
    for group, objective, endpoints in objectives:
        of_row = [cells.get((group, objective, endpoints, level["users"])) for level in levels]
        limit = next(cell for cell in of_row if cell)
        first = Markup(' class="first"') if group != last else ""
        rows.append(
            Markup('<tr{}><th scope="row">{}</th><td class="what">{}</td>{}</tr>').format(
                first,
                group if group != last else "",
                _objective(objective, limit),
                join(_cell(objective, cell) if cell else Markup("<td></td>") for cell in of_row),
            )
        )
        last = group
    note = (
        "Each cell: measured value and verdict, then its one-sided 95 % bounds and the number of requests behind it, "
        "with how many independent ones would tell as much: requests that queue resemble each other. Where that is "
        "missing, none or all have failed: nothing shows how they depend, and they are taken as independent. "
        "PASS and FAIL need the bound, not just the value, on one side of the limit. Latencies are the wire "
        "clock's, the kernel's own, unless a cell says otherwise."
    )
    return table(head, rows, caption="Objectives by users", note=note)


def _level_head(level: dict[Any, Any]) -> Markup:
    return Markup('<div class="level">{} users<br>{}</div>').format(
        number(level["users"]), tag(Verdict(level["verdict"]))
    )


def _objective(objective: str, cell: dict[Any, Any]) -> Markup:
    metric = metric_of(objective)
    of = Markup('<br><span class="of">{}</span>').format(cell["endpoints"]) if cell["endpoints"] else ""
    limit = _shortened(metric.limit(cell["bound"], cell["limit"]))
    return Markup('{} <span class="limit">{}</span>{}').format(metric.words, limit, of)


def _cell(objective: str, cell: dict[Any, Any]) -> Markup:
    metric = metric_of(objective)
    low, high = (cell[end] if _known(cell[end]) else None for end in ("low", "high"))
    measured = _shortened(metric.amount(cell["measured"])) if _known(cell["measured"]) else "nothing measured"
    advice = Markup('<div class="advice">{}</div>').format(cell["advice"]) if cell["advice"] else ""
    return Markup(
        '<td class="cell {}"><div class="value"><b>{}</b> {}</div>'
        '<div class="evidence">{}<br>{} requests{}{}</div>{}</td>'
    ).format(
        cell["verdict"],
        measured,
        tag(Verdict(cell["verdict"])),
        _shortened(metric.interval(low, high)),
        number(int(cell["samples"])),
        # Four user counts must fit side by side: what "taken as independent" means stands below, once.
        effective(cell["effective_samples"]).replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")
        if _known(cell["effective_samples"])
        else "",
        f", {cell['clock']} clock" if cell["clock"] not in ("", "wire") else "",
        advice,
    )


def _known(value: object) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def _shortened(amount: str) -> str:
    # Four user counts must fit side by side.
    return amount.replace(" requests/s", "/s")
