"""How tables for people look."""

from __future__ import annotations

import sys
from collections.abc import Collection

from rich import box
from rich.table import Table

from perflab.progress.console import PlainConsole
from perflab.vocabulary.verdict import Verdict

PLAIN_WIDTH = 150


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
