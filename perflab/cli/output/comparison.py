"""How a comparison's document is printed: one row per figure, then the verdict and its reasons."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from perflab.cli.output.console import make_table, styled
from perflab.results.comparison import ComparisonDocument, words
from perflab.results.comparison.document import FailureRates, Figure, Ratio
from perflab.vocabulary.level import Level
from perflab.vocabulary.verdict import Finding

_COLUMNS = ("level", "group", "figure", "baseline", "candidate", "change", "bounds", "result")
_NUMBERS = {"level", "baseline", "candidate", "change", "bounds"}


def show(document: ComparisonDocument, console: Console) -> None:
    """Print a comparison."""
    table = make_table(*_COLUMNS, numbers=_NUMBERS)
    level: Level | None = None
    for figure in document.figures():
        if table.row_count and figure.level != level:
            table.add_section()
        level = figure.level
        # A single group is all requests.
        if figure.group is not None or len(document.groups) > 1:
            table.add_row(*_row(figure))
    procedure = document.procedure
    if table.row_count:
        console.print(table)
        console.print(
            f"  bounds: one-sided 95 % each; margin {words.percentage(procedure.margin)}; a false regression in at "
            f"most {words.percentage(procedure.alpha)} of comparisons; {words.DESIGNS[procedure.design]}",
            soft_wrap=True,
        )
    console.print(f"{styled(document.verdict)}  {escape(document.headline)}", soft_wrap=True)
    sides = f"baseline {document.baseline.sweep_id}, candidate {document.candidate.sweep_id}"
    differ = [row.what if row.kind == "listed" else f"{row.what} ({row.kind})" for row in document.comparability]
    lines = [
        sides,
        *([f"they differ in: {', '.join(differ)}"] if differ else []),
        *document.reasons,
        *(f"note: {note}" for note in document.notes),
    ]
    for line in lines:
        console.print(f"  {escape(line)}", soft_wrap=True)


def _row(figure: Figure) -> list[str]:
    level, group, name, effect, _ = figure
    style = effect.verdict.verdict.style if effect.verdict.marked else "default"
    return [
        "all" if level is None else str(level),
        escape(group or "all requests"),
        name,
        *words.sides(effect),
        words.change(effect),
        words.bounds(effect),
        f"[{style}]{escape(_result(effect))}[/]",
    ]


def _result(effect: Ratio | FailureRates) -> str:
    """Return what is known in a few words; where nothing is, the reason alone."""
    match effect.verdict:
        case Finding.NOT_ASSESSABLE:
            return effect.evidence
        case Finding.OPEN:
            # Of a single run on a side the bounds may be far from zero, but they are not those of runs.
            several = effect.p_regression is not None
            return "open: may be worse than the margin" if several else "open: it takes several runs"
        case Finding.NO_MORE:
            return effect.words
    return effect.verdict
