"""``perflab report``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import perflab
from perflab.cli import options
from perflab.errors import UsageError
from perflab.vocabulary.text import say

if TYPE_CHECKING:
    from perflab.store.layout import Result

ResultId = Annotated[
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
    sweep_id: ResultId = "latest",
    against: Against = None,
    allow_different: options.AllowDifferent = None,
    runs_dir: options.RunsDir = None,
    parameter: Parameters = None,
    notebook: Notebook = None,
) -> None:
    """Write the results and the report of a sweep, or of a comparison, again."""
    from perflab.report import render
    from perflab.results import save
    from perflab.store.layout import is_ab
    from perflab.workbench.listing import runs_folder

    given = dict(_named(parameter or ()))
    chosen = Path(notebook) if notebook else None
    result: Result
    if against is not None or is_ab(runs_folder(runs_dir), sweep_id):
        baseline, candidate = (sweep_id, None) if against is None else (against, sweep_id)
        # The comparison itself tells the notebook what it was made with.
        options = {name: given.pop(name, None) for name in ("margin", "alpha")}
        waived = allow_different or ()
        result = perflab.compare(baseline, candidate, runs_dir=runs_dir, allow_different=waived, **options)
    else:
        result = perflab.open_sweep(sweep_id, runs_dir)
    page = render(result, given, chosen)
    save(result, report=True)
    say(str(page), sys.stdout)


def _named(parameters: Iterable[str]) -> Iterable[tuple[str, str]]:
    for item in parameters:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"--parameter {item!r} is not NAME=VALUE", "--parameter", item)
        yield name, value
