"""``perflab check``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import perflab
from perflab.cli import options
from perflab.cli.compare import COMPARE

Baseline = Annotated[
    bool, typer.Option("--baseline", help="Compare with the stored baseline too: see perflab baseline set.")
]
Against = Annotated[str | None, typer.Option(metavar="ID", help="Compare with this sweep instead of the stored one.")]


@options.flags(COMPARE)
def check(
    sweep_id: options.SweepId = "latest",
    *,
    baseline: Baseline = False,
    against: Against = None,
    allow_different: options.AllowDifferent = None,
    runs_dir: options.RunsDir = None,
    json: options.AsJson = False,
    **given: Any,
) -> int:
    """Judge a recorded sweep by its objectives, and with --baseline by whether it is slower than that; no report."""
    from perflab.cli import output

    checked = perflab.check(
        sweep_id,
        baseline=baseline,
        against=against,
        runs_dir=runs_dir,
        allow_different=allow_different or (),
        **given,
    )
    output.print_check(checked, as_json=json)
    if checked.comparison is not None:
        perflab.save(checked.comparison, report=False)
    return checked.verdict.exit_code
