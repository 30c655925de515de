"""``perflab ab``."""

from __future__ import annotations

from typing import Annotated

import typer

from perflab.cli import options

Baseline = Annotated[
    str | None, typer.Argument(metavar="BASELINE", help="A URL, a command with {port}, or with --launch a git ref.")
]
Candidate = Annotated[str | None, typer.Argument(metavar="CANDIDATE", help="The same, of what may be slower.")]
Launch = Annotated[
    str | None,
    typer.Option(metavar="CMD", help="BASELINE and CANDIDATE are git refs: start this in a checkout of each."),
]
Design = Annotated[
    str, typer.Option(metavar="NAME", help="duet: both loaded at once, half the users each. interleaved: in turns.")
]
Users = Annotated[
    str | None, typer.Option("--users", "-u", metavar="N,N,...", help="User counts of a round. Default: 250.")
]
SpawnRate = Annotated[str | None, typer.Option(metavar="N", help="Users started per second. Default: 250.")]
Duration = Annotated[str | None, typer.Option(metavar="TIME", help="Steady state of a round. Default: 15s.")]
Rounds = Annotated[
    int | None, typer.Option(metavar="N", help="Make just so many. Default: up to 20, with looks at 5, 10, 15, 20.")
]
Label = Annotated[str | None, typer.Option(metavar="L", help="Goes into the comparison's id. Default: ab.")]
NoRestart = Annotated[bool, typer.Option("--no-restart", help="Start managed targets once, not for each round.")]
Resume = Annotated[str | None, typer.Option(metavar="ID", help="Go on with a comparison that was interrupted.")]


def ab(
    context: typer.Context,
    baseline: Baseline = None,
    candidate: Candidate = None,
    launch: Launch = None,
    health: options.Health = None,
    locustfile: options.Locustfile = None,
    objectives: options.ObjectivesFile = None,
    design: Design = "duet",
    users: Users = None,
    spawn_rate: SpawnRate = None,
    duration: Duration = None,
    rounds: Rounds = None,
    margin: options.Margin = None,
    alpha: options.Alpha = None,
    seed: options.Seed = None,
    processes: options.Processes = None,
    no_restart: NoRestart = False,
    resume: Resume = None,
    label: Label = None,
    runs_dir: options.RunsDir = None,
    allow_host: options.AllowHost = None,
    no_report: options.NoReport = False,
    json: options.AsJson = False,
) -> int:
    """Load two targets against each other until it is known whether the candidate is slower.

    What follows -- goes to Locust, as for perflab sweep.
    """
    from perflab import workbench
    from perflab.cli.output import conclude

    comparison = workbench.ab(
        baseline,
        candidate,
        launch=launch,
        health=health,
        locustfile=locustfile,
        objectives=objectives,
        design=design,
        users=users,
        spawn_rate=spawn_rate,
        duration=duration,
        rounds=rounds,
        margin=margin,
        alpha=alpha,
        seed=seed,
        processes=processes,
        locust_options=context.obj,
        restart=not no_restart,
        resume=resume,
        label=label,
        runs_dir=runs_dir,
        allow_hosts=allow_host or (),
        save=False,
    )
    return conclude(comparison, report=not no_report, as_json=json)
