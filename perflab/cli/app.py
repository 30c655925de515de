"""The ``perflab`` program: its commands, and how errors and signals become one line and an exit code."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from perflab.cli import ab, baseline, calibrate, check, compare, demo, doctor, init, report, run, show, sweep
from perflab.cli import list as list_command
from perflab.cli.options import CommandT
from perflab.errors import PerflabError, UsageError, naming
from perflab.vocabulary.text import say

if TYPE_CHECKING:
    from typing_extensions import Buffer

INTERRUPTED = 130
TERMINATED = 143
READER_GONE = 141
INTERNAL_ERROR = 70
# What follows -- goes to the Locust that these start.
_WITH_LOCUST = ("sweep", "run", "ab", "doctor")
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    name="perflab",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _tidying(command: CommandT) -> CommandT:
    """Have a command that deals with recorded runs begin by removing what killed commands have left there."""

    @functools.wraps(command)
    def tidying(*arguments: Any, **given: Any) -> Any:
        if "runs_dir" in given:
            from perflab.store.scratch import clear_leftovers
            from perflab.workbench.listing import runs_folder

            # Where there is no telling where they are, the command itself says so.
            with contextlib.suppress(PerflabError):
                clear_leftovers(runs_folder(given["runs_dir"]))
        return command(*arguments, **given)

    return cast(CommandT, tidying)


# One line each, whole in a terminal of 80 columns; each command's own help says the rest.
app.command("sweep", short_help="Load the target at several user counts and judge the result.")(_tidying(sweep.sweep))
app.command("run", short_help="Load the target at one user count: a sweep of a single level.")(_tidying(run.run))
app.command("list", short_help="List recorded sweeps and A/B comparisons, oldest first.")(_tidying(list_command.list_))
app.command("show", short_help="Show a recorded sweep's verdicts and figures.")(_tidying(show.show))
app.command("report", short_help="Write the report of a recorded sweep or comparison again.")(_tidying(report.report))
app.command("compare", short_help="Tell whether a recorded sweep is slower than another.")(_tidying(compare.compare))
app.command("check", short_help="Judge a recorded sweep, with --baseline also its change.")(_tidying(check.check))
app.command("ab", short_help="Load two targets until it is known whether one is slower.")(_tidying(ab.ab))
app.command("calibrate", short_help="Find how much load this machine can offer.")(_tidying(calibrate.calibrate))
app.command("init", short_help="Make a folder a perflab project.")(init.init)
app.command("demo", short_help="Load a small server of known latency: a first report.")(_tidying(demo.demo))
app.command("doctor", short_help="Check whether everything is ready for a load test.")(_tidying(doctor.doctor))
baselines = typer.Typer()
baselines.callback(invoke_without_command=True)(baseline.without_command)
baselines.command("set")(_tidying(baseline.set_))
baselines.command("show")(_tidying(baseline.show))
app.add_typer(baselines, name="baseline", short_help="Choose or show the sweep that others are checked against.")


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"perflab {version('perflab')}", sys.stdout)
        raise typer.Exit


@app.callback()
def _program(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Turns any Locust file into a result you can trust."""


class Terminated(BaseException):
    """SIGTERM or SIGHUP: the way out is the same as after Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    _prepare_streams()
    sys.exit(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors become one line on stderr."""
    own, further = list(arguments), None
    if "--" in own and own[0] in _WITH_LOCUST:
        at = own.index("--")
        own, further = own[:at], own[at + 1 :]
    return run_app(app, own or ["--help"], "perflab", further)


def run_app(
    commands: typer.Typer, arguments: Sequence[str], program: str, for_locust: Sequence[str] | None = None
) -> int:
    """Run a command of `commands` as perflab runs its own, for programs that are built on it; return its exit code.

    `for_locust` is what Locust gets besides.
    """
    for number in _ENDING:
        # Under nohup a run outlives its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        _check_folder()
        command = typer.main.get_command(commands)
        code = command.main(list(arguments), prog_name=program, standalone_mode=False, obj=for_locust)
        sys.stdout.flush()
    except PerflabError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        # The help of the command that was meant; of all commands where none was.
        context = getattr(error, "ctx", None)
        shown = context.command_path if context else program
        return _fail(f"{error.format_message()} ({shown} --help shows what there is)", 2)
    except BrokenPipeError:
        _flush()
        return READER_GONE
    except SystemExit:
        # So do typer and rich answer a broken pipe (perflab list | head -1), with 1, which would say FAIL.
        return READER_GONE
    except OSError as error:
        # A full disk, a folder that may not be written to or has gone.
        _flush()
        return _fail(str(error), 2)
    except Terminated:
        code = TERMINATED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception:
        # A defect of perflab's own. Python's exit code for it is 1, which would say that the target has failed.
        for line in traceback.format_exc().splitlines():
            say(line)
        return INTERNAL_ERROR
    if code in (INTERRUPTED, TERMINATED):
        return _fail("interrupted; what was recorded so far is kept", code)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    say("perflab: " + " ".join(message.split()))
    return code


def _flush() -> None:
    """Write what is left for standard output; if it can't be, it must not be tried again at Python's end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(ending: int, _frame: FrameType | None) -> None:
    # A second Ctrl-C must not cut off the stopping of processes and the writing of manifests, which end by themselves.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt if ending == signal.SIGINT else Terminated


def _prepare_streams() -> None:
    """Make stdout and stderr take every character, and exist: a parent may have closed them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream, io.TextIOWrapper):
            kind = _Result if name == "stdout" else _Progress
            raw = io.BufferedWriter(kind(stream.fileno(), "w", closefd=False))
            buffered = stream.line_buffering
            setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, "replace", line_buffering=buffered))


class _Result(io.FileIO):
    """Standard output, which an error of it names."""

    def write(self, data: Buffer, /) -> int:
        with naming(Path("standard output")):
            return super().write(data)


class _Progress(io.FileIO):
    """Standard error: what can't be written there, on a full disk say, changes no run and no exit code."""

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(f"the working folder can't be used ({error.strerror}): change to one that exists") from None
