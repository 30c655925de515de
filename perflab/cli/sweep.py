"""``perflab sweep``."""

from __future__ import annotations

from typing import Any

import typer

import perflab
from perflab.cli import options
from perflab.plan.plan import OPTIONS, PlanOptions

# Words for Locust follow after --.
SWEEP = {name: OPTIONS[name] for name in OPTIONS if name in PlanOptions.__annotations__ and name != "locust_options"}


@options.flags(SWEEP.values())
def sweep(
    context: typer.Context,
    *,
    objectives: options.ObjectivesFile = None,
    runs_dir: options.RunsDir = None,
    allow_host: options.AllowHost = None,
    no_report: options.NoReport = False,
    json: options.AsJson = False,
    **given: Any,
) -> int:
    """Load the target at several user counts, judge the result, write a report.

    What follows -- goes to Locust: --tags, --exclude-tags, user classes, the locustfile's own options.
    """
    from perflab.cli.output import conclude

    result = perflab.sweep(
        locust_options=context.obj,
        objectives=objectives,
        runs_dir=runs_dir,
        allow_hosts=allow_host or (),
        save=False,
        **given,
    )
    return conclude(result, report=not no_report, as_json=json)
