"""``perflab report``."""

from __future__ import annotations

from typing import Annotated

import typer

from perflab.cli import options
from perflab.errors import UsageError

Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter of the notebook.")
]
Notebook = Annotated[str | None, typer.Option(metavar="F", help="Another notebook than notebooks/sweep.ipynb.")]


def report(
    sweep_id: options.SweepId = "latest",
    runs_dir: options.RunsDir = None,
    parameter: Parameters = None,
    notebook: Notebook = None,
) -> None:
    """Write a recorded sweep's results and report again: metrics.json, junit.xml, summary.md, report.html."""
    from pathlib import Path

    from perflab.report import render_report, write_results
    from perflab.workbench import open_sweep

    sweep = open_sweep(sweep_id, runs_dir)
    given = {}
    for item in parameter or ():
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"--parameter {item!r} is not NAME=VALUE")
        given[name] = value
    page = render_report(sweep.dir, parameters=given, notebook=Path(notebook) if notebook else None)
    write_results(sweep, report=True)
    typer.echo(page)
