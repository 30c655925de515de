"""How a sweep's document is printed: one row per level and objective, then the verdict and its reasons."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from perflab.cli.output.console import make_table, styled
from perflab.results.sweep import SweepDocument, words
from perflab.results.sweep.document import Objective
from perflab.vocabulary.number import thousands

_COLUMNS = ("users", "group", "objective", "measured", "95 % bounds", "limit", "requests", "effective", "verdict")
_NUMBERS = {"users", "measured", "95 % bounds", "limit", "requests", "effective"}


def show(document: SweepDocument, console: Console) -> None:
    """Print a sweep."""
    table = make_table(*_COLUMNS, numbers=_NUMBERS)
    for level in document.levels.values():
        for objective in level.objectives.values():
            effective = objective.effective_samples
            table.add_row(
                str(level.users),
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
    console.print(f"{styled(document.verdict)}  {escape(document.metadata.sweep_id)}")
    for line in [document.headline, *document.reasons, *(f"note: {note}" for note in document.notes)]:
        console.print(f"  {escape(line)}", soft_wrap=True)


def _objective(objective: Objective) -> str:
    """Return what is judged, and how where that isn't a matter of course."""
    how = [] if objective.clock in (None, "wire") else [f"{objective.clock} clock"]
    how += [" ".join(objective.endpoints)] if objective.endpoints else []
    return escape(f"{objective.metric} ({', '.join(how)})" if how else objective.metric)
