"""How tables for people look, and which exit code says a verdict."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from perflab.console import PlainConsole
from perflab.errors import PerflabError
from perflab.store.manifest import EXIT_CODES

if TYPE_CHECKING:
    from perflab.store.manifest import Verdict

STYLES = {"PASS": "green", "FAIL": "bold red", "INVALID": "bold magenta", "INCONCLUSIVE": "yellow"}
PLAIN_WIDTH = 140


def exit_code(verdict: Verdict) -> int:
    """Return the exit code that says a verdict."""
    return EXIT_CODES[verdict]


def open_console() -> PlainConsole:
    """Return a console on stdout: as wide as the terminal, or of a plain width where there is none."""
    return PlainConsole(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def make_table(*columns: str, numbers: Collection[str]) -> Table:
    """Return an empty table; the columns that hold `numbers` are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


def between(low: str, high: str) -> str:
    """Return both bounds, or the one that there is: a missing one is "-"."""
    if "-" in (low, high):
        return "-" if low == high else f"at least {low}" if high == "-" else f"at most {high}"
    return f"{low} to {high}"


@contextlib.contextmanager
def failure_reported(what: str) -> Iterator[None]:
    """Let what goes wrong within cost `what` and no more: it is reported on stderr, a defect of perflab's in full."""
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        if not isinstance(error, PerflabError | OSError):
            traceback.print_exc()
        text = " ".join(str(error).split()) or type(error).__name__
        sys.stderr.write(f"perflab: no {what}: {text}\n")
