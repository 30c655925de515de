"""What all benchmarks have in common: the machine that figures were measured on, and writing them as CSV."""

from __future__ import annotations

import csv
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path


def machine() -> str:
    """Return what the figures were measured on, on one line."""
    # Not at the top: a child process starts with its parent's memory, which benchmarks measure.
    from perflab.drive.fingerprint import machine as describe

    here = describe()
    return f"{here['processor']}, {here['cores']} cores, {here['system']}, Python {platform.python_version()}"


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write one row per figure, with the machine in the last column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*rows[0], "machine"] if rows else [])
        table.writeheader()
        table.writerows({**row, "machine": machine()} for row in rows)
