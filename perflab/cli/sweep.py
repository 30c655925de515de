"""``perflab sweep``."""

from __future__ import annotations

import typer

from perflab.cli import options


def sweep(
    context: typer.Context,
    host: options.Host = None,
    launch: options.Launch = None,
    health: options.Health = None,
    locustfile: options.Locustfile = None,
    objectives: options.ObjectivesFile = None,
    users: options.Users = None,
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
    """Load the target at several user counts, judge the result, write a report.

    What follows -- goes to Locust: --tags, --exclude-tags, user classes, the locustfile's own options.
    """
    from perflab import workbench
    from perflab.cli.output import conclude

    result = workbench.sweep(
        host=host,
        launch=launch,
        health=health,
        locustfile=locustfile,
        objectives=objectives,
        users=users,
        spawn_rate=spawn_rate,
        duration=duration,
        repeats=repeats,
        seed=seed,
        processes=processes,
        locust_options=context.obj,
        expect_workers=expect_workers,
        master_bind=master_bind,
        label=label,
        runs_dir=runs_dir,
        allow_hosts=allow_host or (),
        save=False,
    )
    return conclude(result, report=not no_report, as_json=json)
