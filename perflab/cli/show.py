"""``perflab show``."""

from __future__ import annotations

import perflab
from perflab.cli import options


def show(sweep_id: options.SweepId = "latest", runs_dir: options.RunsDir = None, json: options.AsJson = False) -> None:
    """Show a recorded sweep's verdicts and figures."""
    from perflab.cli import output

    output.print_result(perflab.open_sweep(sweep_id, runs_dir), as_json=json, figures=True)
