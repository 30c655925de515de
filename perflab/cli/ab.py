"""``perflab ab``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import perflab
from perflab.cli import options
from perflab.plan.ab import AB_OPTIONS

Baseline = Annotated[
    str | None, typer.Argument(metavar="BASELINE", help="A URL, a command with {port}, or with --launch a git ref.")
]
Candidate = Annotated[str | None, typer.Argument(metavar="CANDIDATE", help="The same, of what may be slower.")]
Resume = Annotated[str | None, typer.Option(metavar="ID", help="Go on with a comparison that was interrupted.")]


@options.flags(option for option in AB_OPTIONS.values() if option.name != "locust_options")
def ab(
    context: typer.Context,
    baseline: Baseline = None,
    candidate: Candidate = None,
    *,
    objectives: options.ObjectivesFile = None,
    resume: Resume = None,
    runs_dir: options.RunsDir = None,
    allow_host: options.AllowHost = None,
    no_report: options.NoReport = False,
    json: options.AsJson = False,
    **given: Any,
) -> int:
    """Load two targets against each other until it is known whether the candidate is slower.

    What follows -- goes to Locust, as for perflab sweep.
    """
    from perflab.cli.output import conclude

    comparison = perflab.ab(
        baseline,
        candidate,
        locust_options=context.obj,
        objectives=objectives,
        resume=resume,
        runs_dir=runs_dir,
        allow_hosts=allow_host or (),
        save=False,
        **given,
    )
    return conclude(comparison, report=not no_report, as_json=json)
