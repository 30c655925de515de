"""Options that several commands share. Values stay text here: the plan parses them and words the errors."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from perflab.errors import PerflabError

Host = Annotated[str | None, typer.Option(metavar="URL", help="The target, e.g. http://localhost:8000.")]
Launch = Annotated[
    str | None,
    typer.Option(
        metavar="CMD", help="Start the target with this command and stop it at the end; {port} is a free port."
    ),
]
Health = Annotated[
    str | None, typer.Option(metavar="PATH", help="A launched target is ready when this answers 2xx. Default: /health.")
]
Locustfile = Annotated[
    str | None, typer.Option("--locustfile", "-f", metavar="F", help="Default: load_tests/locustfile.py.")
]
ObjectivesFile = Annotated[
    str | None, typer.Option("--objectives", metavar="F", help="Default: objectives.toml beside the locustfile.")
]
Users = Annotated[str | None, typer.Option("--users", "-u", metavar="N,N,...", help="Default: 100,250,500,1000.")]
OneUsers = Annotated[str | None, typer.Option("--users", "-u", metavar="N", help="The user count. Default: 100.")]
SpawnRate = Annotated[str | None, typer.Option(metavar="N", help="Users started per second. Default: 10.")]
Duration = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Steady state of each run, e.g. 30s or 5m; ramp-up comes on top. Default: 300s."),
]
Repeats = Annotated[str | None, typer.Option(metavar="N", help="Runs at each user count. Default: 1.")]
Seed = Annotated[str | None, typer.Option(metavar="N", help="Seed of the suite's data. Default: 1.")]
Processes = Annotated[str | None, typer.Option(metavar="N", help="Locust processes. Default: 1.")]
ExpectWorkers = Annotated[
    str | None,
    typer.Option(metavar="N", help="Wait for N Locust workers that you start yourself: locust -f F --worker ..."),
]
MasterBind = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Where those workers reach perflab. Default: 127.0.0.1:5557.")
]
Label = Annotated[str | None, typer.Option(metavar="L", help="Goes into the sweep's id. Default: sweep.")]


def _clear(runs_dir: str | None) -> str | None:
    """Whatever a command does with recorded runs, it begins by removing what killed commands have left there."""
    from perflab.store.scratch import clear_leftovers
    from perflab.workbench import runs_folder

    # Where there is no telling where they lie, the command itself says so.
    with contextlib.suppress(PerflabError):
        clear_leftovers(runs_folder(runs_dir))
    return runs_dir


RunsDir = Annotated[
    str | None,
    typer.Option(metavar="DIR", callback=_clear, help="Where sweeps lie. Default: LOAD_TEST_RUNS_DIR, or runs/."),
]
AllowHost = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Allow load on a host that is not this machine.")
]
NoReport = Annotated[bool, typer.Option("--no-report", help="Don't write report.html.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result alone, as JSON, to stdout.")]
SweepId = Annotated[str, typer.Argument(metavar="ID", help="A sweep's id, a unique beginning of it, or latest.")]
Margin = Annotated[
    str | None, typer.Option(metavar="SHARE", help="The change that would not matter. Default: 5%, which is 0.05.")
]
Alpha = Annotated[
    str | None, typer.Option(metavar="SHARE", help="How often two equal systems may be told apart. Default: 1%.")
]
AllowDifferent = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What may differ although it matters, such as machine; may be given again."),
]
