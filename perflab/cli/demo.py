"""``perflab demo``."""

from __future__ import annotations

from typing import Any

import perflab
from perflab.cli import options
from perflab.plan.options import with_defaults
from perflab.plan.plan import OPTIONS

DEFAULTS = {"users": (100, 200, 300), "duration": 15.0}
DEMO = with_defaults({name: OPTIONS[name] for name in DEFAULTS}, DEFAULTS)


@options.flags(DEMO.values())
def demo(
    *, runs_dir: options.RunsDir = None, no_report: options.NoReport = False, json: options.AsJson = False, **given: Any
) -> int:
    """Load a small server of known latency that comes with perflab, and write a report: about a minute and a half.

    The server's p50 is 40 ms and its p95 113.8 ms: the report should say the same.
    """
    from perflab.cli.output import conclude

    result = perflab.demo(runs_dir=runs_dir, save=False, **options.or_defaults(given, DEFAULTS))
    return conclude(result, report=not no_report, as_json=json)
