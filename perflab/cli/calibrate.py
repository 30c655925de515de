"""``perflab calibrate``."""

from __future__ import annotations

from typing import Annotated

import typer

from perflab.cli import options
from perflab.vocabulary.text import say

Processes = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Locust processes to calibrate besides one. Default: one for each core."),
]


def calibrate(processes: Processes = None, runs_dir: options.RunsDir = None, json: options.AsJson = False) -> None:
    """Find how much load this machine can offer before its measurements stop being true."""
    from perflab.calibrate import calibrate
    from perflab.cli import output
    from perflab.store.layout import RunsDir
    from perflab.workbench import runs_folder

    folder = runs_folder(runs_dir)
    found = calibrate(folder, processes, say=say)
    output.print_calibration(found, as_json=json)
    say(f"chart: {RunsDir(folder).calibration_chart}")
