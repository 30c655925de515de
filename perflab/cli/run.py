"""``perflab run``."""

from __future__ import annotations

import typer

from perflab.cli import options
from perflab.cli.sweep import sweep
from perflab.errors import UsageError


def run(
    context: typer.Context,
    host: options.Host = None,
    launch: options.Launch = None,
    health: options.Health = None,
    locustfile: options.Locustfile = None,
    objectives: options.ObjectivesFile = None,
    users: options.OneUsers = None,
    spawn_rate: options.SpawnRate = None,
    duration: options.Duration = None,
    repeats: options.Repeats = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    expect_workers: options.ExpectWorkers = None,
    master_bind: options.MasterBind = None,
    label: options.Label = None,
    runs_dir: options.RunsDir = None,
    allow_host: options.AllowHost = None,
    no_report: options.NoReport = False,
    json: options.AsJson = False,
) -> int:
    """Load the target at one user count: a sweep of a single level.

    What follows -- goes to Locust, as for perflab sweep.
    """
    if users is not None and "," in users:
        raise UsageError(f"--users {users!r}: perflab run takes one user count; perflab sweep takes several")
    return sweep(
        context,
        host=host,
        launch=launch,
        health=health,
        locustfile=locustfile,
        objectives=objectives,
        users=users or "100",
        spawn_rate=spawn_rate,
        duration=duration,
        repeats=repeats,
        seed=seed,
        processes=processes,
        expect_workers=expect_workers,
        master_bind=master_bind,
        label=label or "run",
        runs_dir=runs_dir,
        allow_host=allow_host,
        no_report=no_report,
        json=json,
    )
