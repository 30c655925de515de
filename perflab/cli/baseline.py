"""``perflab baseline``."""

from __future__ import annotations

import sys

import typer

import perflab
from perflab.cli import options
from perflab.vocabulary.text import say


def without_command(context: typer.Context) -> None:
    """Choose the sweep that perflab check --baseline holds others against, or show it."""
    if context.invoked_subcommand is None:
        show()


def set_(sweep_id: options.SweepId, runs_dir: options.RunsDir = None) -> None:
    """Make a recorded sweep the baseline."""
    baseline = perflab.set_baseline(sweep_id, runs_dir)
    show(runs_dir)
    if baseline.manifest.plan.repeats == 1:
        say("note: one run at each level doesn't show how runs differ: make a baseline with --repeats 5 or more")


def show(runs_dir: options.RunsDir = None) -> None:
    """Show which sweep is the baseline."""
    sweep = perflab.open_baseline(runs_dir)
    complete = sum(run.status == "complete" for run in sweep.run_manifests)
    say(f"baseline: {sweep.id} ({complete} complete {'run' if complete == 1 else 'runs'})", sys.stdout)
