"""``perflab report``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from perflab.cli import options
from perflab.errors import UsageError
from perflab.vocabulary.text import say

Result = Annotated[
    str, typer.Argument(metavar="ID", help="The id of a sweep or an A/B comparison, a unique beginning, or latest.")
]
Against = Annotated[
    str | None, typer.Option(metavar="ID", help="The report of its comparison with this sweep instead.")
]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter of the notebook.")
]
Notebook = Annotated[
    str | None, typer.Option(metavar="F", help="Another notebook than notebooks/sweep.ipynb or compare.ipynb.")
]


def report(
    sweep_id: Result = "latest",
    against: Against = None,
    allow_different: options.AllowDifferent = None,
    runs_dir: options.RunsDir = None,
    parameter: Parameters = None,
    notebook: Notebook = None,
) -> None:
    """Write the results and the report of a sweep, or of a comparison, again."""
    from perflab.store.layout import means_ab
    from perflab.workbench import runs_folder

    given = dict(_named(parameter or ()))
    chosen = Path(notebook) if notebook else None
    if against is not None or means_ab(runs_folder(runs_dir), sweep_id):
        baseline, candidate = (sweep_id, None) if against is None else (against, sweep_id)
        page = _of_comparison(baseline, candidate, runs_dir, given, allow_different or [], chosen)
    else:
        page = _of_sweep(sweep_id, runs_dir, given, chosen)
    say(str(page), sys.stdout)


def _of_sweep(sweep_id: str, runs_dir: str | None, given: dict[str, str], notebook: Path | None) -> Path:
    from perflab.report import render_report, write_results
    from perflab.workbench import open_sweep

    sweep = open_sweep(sweep_id, runs_dir)
    page = render_report(sweep.dir, parameters=given, notebook=notebook)
    write_results(sweep, report=True)
    return page


def _of_comparison(
    baseline: str,
    candidate: str | None,
    runs_dir: str | None,
    given: dict[str, str],
    waived: list[str],
    notebook: Path | None,
) -> Path:
    from perflab.report import render_comparison, write_comparison
    from perflab.workbench import compare, comparison_place

    margin, alpha = given.get("margin"), given.get("alpha")
    comparison = compare(baseline, candidate, runs_dir=runs_dir, margin=margin, alpha=alpha, allow_different=waived)
    place, sides = comparison_place(comparison), (comparison.baseline, comparison.candidate)
    page = render_comparison(
        place,
        baseline=sides[0].id,
        candidate=sides[1].id,
        runs_dir=sides[1].dir.runs_dir,
        parameters={**given, "allow_different": waived},
        notebook=notebook,
    )
    write_comparison(comparison, place, report=True)
    return page


def _named(parameters: Iterable[str]) -> Iterable[tuple[str, str]]:
    for item in parameters:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"--parameter {item!r} is not NAME=VALUE", "--parameter", item)
        yield name, value
