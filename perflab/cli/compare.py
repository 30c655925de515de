"""``perflab compare``."""

from __future__ import annotations

from typing import Annotated

import typer

from perflab.cli import options

Baseline = Annotated[str, typer.Argument(metavar="BASE", help="The sweep to hold against, or an A/B comparison.")]
Candidate = Annotated[
    str | None,
    typer.Argument(metavar="CANDIDATE", help="The sweep that may be slower. Default: the latest complete."),
]


def compare(
    baseline: Baseline,
    candidate: Candidate = None,
    margin: options.Margin = None,
    alpha: options.Alpha = None,
    allow_different: options.AllowDifferent = None,
    runs_dir: options.RunsDir = None,
    no_report: options.NoReport = False,
    json: options.AsJson = False,
) -> int:
    """Tell whether a recorded sweep is slower than another, or whether it is just noise."""
    from perflab import workbench
    from perflab.cli.output import conclude

    comparison = workbench.compare(
        baseline, candidate, runs_dir=runs_dir, margin=margin, alpha=alpha, allow_different=allow_different or ()
    )
    return conclude(comparison, report=not no_report, as_json=json)
