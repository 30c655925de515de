"""``perflab run``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import typer

from perflab.cli import options
from perflab.cli.sweep import SWEEP, sweep
from perflab.errors import UsageError
from perflab.plan.options import with_defaults

DEFAULTS = {"users": 100, "label": "run"}
RUN = with_defaults(SWEEP, DEFAULTS)
RUN["users"] = replace(RUN["users"], metavar="N", help="The user count.")


@options.flags(RUN.values(), like=sweep)
def run(context: typer.Context, **given: Any) -> int:
    """Load the target at one user count: a sweep of a single level.

    What follows -- goes to Locust, as for perflab sweep.
    """
    users = given["users"]
    if users is not None and "," in users:
        raise UsageError(
            f"--users {users!r}: perflab run takes one user count; perflab sweep takes several", "--users", users
        )
    return sweep(context, **options.or_defaults(given, DEFAULTS))
