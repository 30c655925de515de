"""``scripts/run_load_tests.sh``: a load test of the Platform API, judged, with its reports in one folder."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

import perflab
from load_tests.config import load_settings
from load_tests.report_generator import check_output, generate_reports
from perflab.cli import options
from perflab.cli.app import run_app
from perflab.plan.parse import parse_levels
from perflab.plan.plan import LEVEL_ENDS
from perflab.plan.plan import OPTIONS as PLAN
from perflab.plan.settings import load_environment

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "run_load_tests.sh"

Output = Annotated[str | None, typer.Option(metavar="DIR", help="Where the reports go. Default: LOAD_TEST_REPORT_DIR.")]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


OPTIONS = [
    replace(PLAN["host"], help="The API; where there is none, LOAD_TEST_LAUNCH starts one."),
    *LEVEL_ENDS.values(),
    PLAN["spawn_rate"],
    PLAN["duration"],
]


@app.command()
@options.flags(OPTIONS)
def run(*, output: Output = None, **given: Any) -> int:
    """Load-test the Platform API, judge it by its objectives, and write the reports.

    With neither --users-min nor --users-max: all levels from LOAD_TEST_USERS_MIN to LOAD_TEST_USERS_MAX. Settings
    come from the environment, .env.load-testing.local and .env.load-testing. Exit code: 0 PASS, 1 FAIL, 2 wrong usage
    or no API, 3 INVALID, 4 INCONCLUSIVE.
    """
    from perflab.cli.output import conclude

    # An output is named from where the caller is; settings and runs are the project's.
    folder = Path(output).absolute() if output is not None else None
    os.chdir(ROOT)
    settings, environment = load_settings(), load_environment()
    folder = folder or settings.report_dir
    check_output(folder)
    low, high = given.pop("users_min"), given.pop("users_max")
    if low is not None or high is not None:
        most = LEVEL_ENDS["users_max"].read({"users_max": high}, environment)
        given["users"] = parse_levels(most if low is None else low, most)
    database_url = settings.database_url
    if given["host"] is None and PLAN["host"].read({}, environment) is None and database_url is not None:
        # The accounts that were seeded there are those that the suite logs in with.
        os.environ.setdefault("DATABASE_URL", database_url.get_secret_value())
    result = perflab.sweep(locustfile=Path(__file__).with_name("locustfile.py"), label="load-test", save=False, **given)
    code = conclude(result, report=True, as_json=False)
    for path in generate_reports(result.dir.path, folder):
        typer.echo(f"  {path}")
    return code


if __name__ == "__main__":
    sys.exit(run_app(app, sys.argv[1:], PROGRAM))
