"""The ``perflab`` program: its commands, and how errors and signals become one line and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import typer

from perflab.cli import list as list_command
from perflab.cli import report, run, show, sweep
from perflab.errors import PerflabError

INTERRUPTED = 130
TERMINATED = 143

app = typer.Typer(
    name="perflab",
    help="Turns any Locust file into a result you can trust.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("sweep")(sweep.sweep)
app.command("run")(run.run)
app.command("list")(list_command.list_)
app.command("show")(show.show)
app.command("report")(report.report)


class Terminated(BaseException):
    """SIGTERM or SIGHUP: the way out is the same as after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors become one line on stderr."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    try:
        command = typer.main.get_command(app)
        code = command.main(list(arguments) or ["--help"], prog_name="perflab", standalone_mode=False)
    except PerflabError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(f"{error.format_message()} (perflab --help shows the commands and options)", 2)
    except Terminated:
        code = TERMINATED
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code in (INTERRUPTED, TERMINATED):
        return _fail("interrupted; what was recorded so far is kept", code)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write("perflab: " + " ".join(message.split()) + "\n")
    return code


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated
