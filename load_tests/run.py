"""``scripts/run_load_tests.sh``: a load test of the Platform API, judged, with its reports in one folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from load_tests.config import ConfigurationError, load_settings
from load_tests.report_generator import check_output, generate_reports
from perflab.cli.app import run_app
from perflab.errors import UsageError
from perflab.plan.amounts import level_range

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "run_load_tests.sh"

Host = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The API. Default: LOAD_TEST_HOST; where that is empty, LOAD_TEST_LAUNCH starts one."
    ),
]
UsersMax = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Load with N users, or up to N if --users-min is given. Default: LOAD_TEST_USERS_MAX."
    ),
]
UsersMin = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Load with N users first, then with 100, 250, 500, 1000 as far as they lie between."
    ),
]
SpawnRate = Annotated[
    str | None, typer.Option(metavar="N", help="Users started per second. Default: LOAD_TEST_SPAWN_RATE.")
]
Duration = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Steady state of each run: 600, 600s, 10m. Default: LOAD_TEST_DURATION_SECONDS."),
]
Output = Annotated[str | None, typer.Option(metavar="DIR", help="Where the reports go. Default: LOAD_TEST_REPORT_DIR.")]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def run(
    host: Host = None,
    users_max: UsersMax = None,
    users_min: UsersMin = None,
    spawn_rate: SpawnRate = None,
    duration: Duration = None,
    output: Output = None,
) -> int:
    """Load-test the Platform API, judge it by its objectives, and write the reports.

    With neither --users-min nor --users-max: all levels from LOAD_TEST_USERS_MIN to LOAD_TEST_USERS_MAX. Settings
    come from the environment, .env.load-testing.local and .env.load-testing. Exit code: 0 PASS, 1 FAIL, 2 wrong usage
    or no API, 3 INVALID, 4 INCONCLUSIVE.
    """
    from perflab import workbench
    from perflab.cli.output import conclude

    given = Path(output).absolute() if output is not None else None
    # An output is named from where the caller stands; settings and runs are the project's.
    os.chdir(ROOT)
    try:
        settings = load_settings()
    except ConfigurationError as error:
        raise UsageError(str(error)) from None
    folder = given or settings.report_dir
    check_output(folder)
    users = None
    if users_min is not None or users_max is not None:
        most = settings.users_max if users_max is None else users_max
        users = level_range(most if users_min is None else users_min, most)
    if host is None and not settings.host and settings.database_url is not None:
        # The accounts that were seeded there are those that the suite logs in with.
        os.environ.setdefault("DATABASE_URL", settings.database_url.get_secret_value())
    result = workbench.sweep(
        host=host,
        users=users,
        spawn_rate=spawn_rate,
        duration=duration,
        locustfile=Path(__file__).with_name("locustfile.py"),
        label="load-test",
        save=False,
    )
    code = conclude(result, report=True, as_json=False)
    for path in generate_reports(result.dir.path, folder):
        typer.echo(f"  {path}")
    return code


if __name__ == "__main__":
    sys.exit(run_app(app, sys.argv[1:], PROGRAM))
