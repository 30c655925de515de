"""How tables for people look, and which exit code says a verdict."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Collection, Iterator

from rich import box
from rich.table import Table

from perflab.errors import PerflabError
from perflab.progress.console import PlainConsole
from perflab.vocabulary.text import say
from perflab.vocabulary.verdict import Verdict

PLAIN_WIDTH = 140


def styled(verdict: Verdict) -> str:
    """Return a verdict in its colour, as rich's markup."""
    return f"[{verdict.style}]{verdict}[/]"


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
            for line in traceback.format_exc().splitlines():
                say(line)
        text = " ".join(str(error).split()) or type(error).__name__
        say(f"perflab: no {what}: {text}")
