"""``perflab list``."""

from __future__ import annotations

from perflab.cli import options


def list_(runs_dir: options.RunsDir = None, json: options.AsJson = False) -> None:
    """List the recorded sweeps, oldest first, then the A/B comparisons."""
    from perflab import workbench
    from perflab.cli import output

    output.print_list(workbench.list_sweeps(runs_dir), workbench.list_ab_comparisons(runs_dir), as_json=json)
