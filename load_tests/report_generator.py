"""The results of a load test in one folder, under the names that the specification gives them.

    python3 load_tests/report_generator.py                       # of the latest sweep, into LOAD_TEST_REPORT_DIR
    python3 load_tests/report_generator.py 20261122T --output ./baseline

perflab has written all of it under ``runs/`` already; this puts it where people and CI expect it:

    locust_report.html       Locust's own report, of the run with the most users
    report.html              perflab's: verdicts, charts, how it was measured
    load_test_metrics.json   every figure and verdict (docs/load_test_metrics.schema.json)
    load_test.log            what happened, as JSON lines
    junit.xml, summary.md    the verdicts for CI
    users-0100-r1/ ...       each run's CSV files, perflab's and Locust's, and Locust's report and log
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    # The python3 of the system, most likely.
    sys.stderr.write(f"report generator: perflab is not installed for {sys.executable}: source .venv/bin/activate\n")
    sys.exit(2)

# As in locustfile.py: started as a file, Python looks into this folder and not into the one above.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from perflab.errors import UsageError
from perflab.store.layout import RUN_NAME, SweepDir
from perflab.store.scratch import clear_leftovers, scratch_folder

# The sweep's file, and what it is called here.
FILES = {
    "report.html": "report.html",
    "metrics.json": "load_test_metrics.json",
    "load_test.log": "load_test.log",
    "junit.xml": "junit.xml",
    "summary.md": "summary.md",
}
LOCUST_REPORT = "locust_report.html"


def generate_reports(sweep_dir: Path, output: Path) -> list[Path]:
    """Put a recorded sweep's results into `output` and return the files at its top.

    What an earlier load test left there is replaced, other files stay. Raises UsageError where `output` can't be
    written to; what was there before is then still there.
    """
    check_output(output)
    clear_leftovers(output)
    with scratch_folder("results", output) as fresh:
        runs = SweepDir(sweep_dir).runs()
        for source, name in FILES.items():
            if (sweep_dir / source).is_file():
                shutil.copy2(sweep_dir / source, fresh / name)
        for run in runs:
            shutil.copytree(run.path, fresh / run.name, ignore=shutil.ignore_patterns(".*"))
        reports = [run.locust_html for run in runs if run.locust_html.is_file()]
        if reports:
            shutil.copy2(reports[-1], fresh / LOCUST_REPORT)
        _forget_earlier(output)
        for path in sorted(fresh.iterdir()):
            path.rename(output / path.name)
    return [output / name for name in (LOCUST_REPORT, *FILES.values()) if (output / name).is_file()]


def check_output(output: Path) -> None:
    """Make the folder if need be; raises UsageError where it can't be, before any load is made."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            return
    except OSError as error:
        raise UsageError(
            f"can't write reports to {str(output)!r}: {error.strerror}; choose another --output or LOAD_TEST_REPORT_DIR"
        ) from None


def _forget_earlier(output: Path) -> None:
    for name in (LOCUST_REPORT, *FILES.values()):
        (output / name).unlink(missing_ok=True)
    for path in output.iterdir():
        if path.is_dir() and RUN_NAME.fullmatch(path.name):
            shutil.rmtree(path)


def _main(
    sweep_id: Annotated[
        str, typer.Argument(metavar="ID", help="A sweep's id, the beginning of it, or latest.")
    ] = "latest",
    output: Annotated[str | None, typer.Option(metavar="DIR", help="Default: LOAD_TEST_REPORT_DIR.")] = None,
    runs_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Default: the project's runs/.")] = None,
) -> None:
    """Put a recorded load test's results into one folder."""
    from load_tests.config import load_settings
    from perflab.report import render
    from perflab.results import save
    from perflab.workbench.sweeps import open_sweep

    sweep = open_sweep(sweep_id, runs_dir)
    folder = Path(output) if output else load_settings().report_dir
    check_output(folder)
    save(sweep, report=True)
    render(sweep)
    for path in generate_reports(sweep.dir.path, folder):
        typer.echo(path)


if __name__ == "__main__":
    from perflab.cli.app import run_app

    commands = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    commands.command()(_main)
    sys.exit(run_app(commands, sys.argv[1:], "report_generator.py"))
