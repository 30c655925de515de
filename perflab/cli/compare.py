"""``perflab compare``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import perflab
from perflab.cli import options
from perflab.plan.ab import AB_OPTIONS

Baseline = Annotated[str, typer.Argument(metavar="BASE", help="The sweep to hold against, or an A/B comparison.")]
Candidate = Annotated[
    str | None,
    typer.Argument(metavar="CANDIDATE", help="The sweep that may be slower. Default: the latest complete."),
]
COMPARE = [AB_OPTIONS[name] for name in ("margin", "alpha")]


@options.flags(COMPARE)
def compare(
    baseline: Baseline,
    candidate: Candidate = None,
    *,
    allow_different: options.AllowDifferent = None,
    runs_dir: options.RunsDir = None,
    no_report: options.NoReport = False,
    json: options.AsJson = False,
    **given: Any,
) -> int:
    """Tell whether a recorded sweep is slower than another, or whether it is just noise."""
    from perflab.cli.output import conclude

    waived = allow_different or ()
    comparison = perflab.compare(baseline, candidate, runs_dir=runs_dir, allow_different=waived, **given)
    return conclude(comparison, report=not no_report, as_json=json)
