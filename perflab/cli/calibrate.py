"""``perflab calibrate``."""

from __future__ import annotations

from typing import Annotated

import typer

import perflab
from perflab.cli import options
from perflab.vocabulary.text import say

Processes = Annotated[
    str | None,
    typer.Option(metavar="N", help="Locust processes to calibrate besides one. Default: one for each core."),
]


def calibrate(processes: Processes = None, runs_dir: options.RunsDir = None, json: options.AsJson = False) -> None:
    """Find how much load this machine can offer before its measurements stop being true."""
    from perflab.cli import output
    from perflab.store.layout import RunsDir
    from perflab.workbench.listing import runs_folder

    output.print_calibration(perflab.calibrate(processes, runs_dir=runs_dir), as_json=json)
    say(f"chart: {RunsDir(runs_folder(runs_dir)).calibration_chart}")
