"""``perflab list``."""

from __future__ import annotations

import perflab
from perflab.cli import options


def list_(runs_dir: options.RunsDir = None, json: options.AsJson = False) -> None:
    """List the recorded sweeps, oldest first, then the A/B comparisons."""
    from perflab.cli import output

    output.print_list(perflab.list_sweeps(runs_dir), perflab.list_ab_comparisons(runs_dir), as_json=json)
