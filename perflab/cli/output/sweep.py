"""How a sweep's document is printed: one row per level and objective, then the verdict and its reasons."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from perflab.cli.output.console import make_table, styled
from perflab.results.sweep import SweepDocument, words
from perflab.results.sweep.document import Objective
from perflab.vocabulary.metric import CHARTED, ERROR_RATE, THROUGHPUT, Metric
from perflab.vocabulary.number import thousands

_COLUMNS = ("level", "group", "objective", "measured", "95 % bounds", "limit", "requests", "effective", "verdict")
_NUMBERS = {"level", "measured", "95 % bounds", "limit", "requests", "effective"}


def show(document: SweepDocument, console: Console, *, figures: bool = False) -> None:
    """Print a sweep.

    The `figures` of each group come first if they are wanted, or if there is no objective whose table would show any.
    """
    if figures or not document.objectives():
        _show_figures(document, console)
    table = make_table(*_COLUMNS, numbers=_NUMBERS)
    for level in document.levels.values():
        for objective in level.objectives.values():
            effective = objective.effective_samples
            table.add_row(
                str(level.level),
                escape(objective.group),
                _objective(objective),
                words.measured(objective),
                words.bounds(objective),
                words.limit(objective),
                thousands(objective.samples),
                "-" if effective is None else thousands(effective),
                styled(objective.verdict),
            )
    if table.row_count:
        console.print(table)
        console.print(
            "  bounds: one-sided 95 % each; effective: how many independent requests would tell as much", soft_wrap=True
        )
    console.print(f"{styled(document.verdict)}  {escape(document.metadata.sweep_id)}")
    for line in [document.headline, *document.reasons, *(f"note: {note}" for note in document.notes)]:
        console.print(f"  {escape(line)}", soft_wrap=True)


def _show_figures(document: SweepDocument, console: Console) -> None:
    groups = [(level.level, name, group) for level in document.levels.values() for name, group in level.groups.items()]
    # The wire clock is the rule; where there is another one, each row says its own.
    clocks = {group.latency_ms.clock for _, _, group in groups if group.ok}
    clock = [] if clocks <= {"wire"} else ["clock"]
    columns = ("level", "group", "requests", "requests/s", "failed", *(metric.words for metric in CHARTED), *clock)
    table = make_table(*columns, numbers={*columns} - {"group", "clock"})
    for level, name, group in groups:
        latency = group.latency_ms
        table.add_row(
            str(level),
            escape(name),
            thousands(group.requests),
            _amount(THROUGHPUT, group.rps),
            _amount(ERROR_RATE, group.error_rate),
            *(_amount(metric, latency.percentile(metric)) for metric in CHARTED),
            *([latency.clock or ""] if clock else []),
        )
    if table.row_count:
        console.print(table)


def _amount(metric: Metric, value: float | None) -> str:
    return "-" if value is None else metric.amount(value)


def _objective(objective: Objective) -> str:
    """Return what is judged, and how where that isn't a matter of course."""
    how = [] if objective.clock in (None, "wire") else [f"{objective.clock} clock"]
    how += [f"{name} {value:g}" for name, value in objective.parameters.items()]
    how += [" ".join(objective.endpoints)] if objective.endpoints else []
    return escape(f"{objective.metric} ({', '.join(how)})" if how else objective.metric)
