"""What is printed of sweeps: a result, a list, where the report lies."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from perflab.cli.output.console import STYLES, between, make_table, open_console
from perflab.text import say

if TYPE_CHECKING:
    import pandas as pd

    from perflab.analyse.sweep import Sweep

_NUMBERS = {"users", "measured", "95 % bounds", "limit", "requests", "effective", "runs", "rounds"}


def print_result(sweep: Sweep, *, as_json: bool, figures: bool = False) -> None:
    """Print a sweep's verdict table and reasons, or its figures as JSON.

    The `figures` of each group come first if they are wanted, or if there is no objective whose table would show any.
    """
    if as_json:
        sys.stdout.write(json.dumps(sweep.to_dict(), indent=2) + "\n")
        return
    # All of it before any of it: a table that can't be read must not follow a verdict.
    lines = [sweep.headline, *sweep.reasons, *(f"note: {note}" for note in sweep.notes)]
    console = open_console()
    if figures or sweep.verdicts.empty:
        _print_figures(sweep.groups)
    columns = ("users", "group", "objective", "measured", "95 % bounds", "limit", "requests", "effective", "verdict")
    table = make_table(*columns, numbers=_NUMBERS)
    for row in sweep.verdicts.itertuples():
        table.add_row(
            str(row.users),
            escape(str(row.group)),
            _objective(row),
            _figure(row.objective, row.measured),
            between(_figure(row.objective, row.low), _figure(row.objective, row.high)),
            ("≥ " if row.bound == "at_least" else "≤ ") + _figure(row.objective, row.limit),
            _count(row.samples),
            "-" if math.isnan(float(str(row.effective_samples))) else _count(row.effective_samples),
            f"[{STYLES[str(row.verdict)]}]{row.verdict}[/]",
        )
    if table.row_count:
        console.print(table)
        console.print(
            "  bounds: one-sided 95 % each; effective: how many independent requests would tell as much", soft_wrap=True
        )
    console.print(f"[{STYLES[sweep.verdict]}]{sweep.verdict}[/]  {escape(sweep.id)}")
    for line in lines:
        console.print(f"  {escape(line)}", soft_wrap=True)


def _print_figures(groups: pd.DataFrame) -> None:
    if groups.empty:
        return
    # The wire clock is the rule; where there is another one, each row says its own.
    clock = ["clock"] if not set(groups.loc[groups.ok > 0, "clock"]) <= {"wire"} else []
    columns = ("users", "group", "requests", "requests/s", "failed", "p50", "p95", "p99", *clock)
    table = make_table(*columns, numbers={*columns} - {"group", "clock"})
    for row in groups.to_dict("records"):
        table.add_row(
            str(row["users"]),
            escape(str(row["group"])),
            _count(row["requests"]),
            _figure("throughput_rps", row["rps"]),
            _figure("error_rate", row["error_rate"]),
            *(_figure(name, row[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
            *(str(row[name]) for name in clock),
        )
    open_console().print(table)


def print_report(path: Path, *, as_json: bool) -> None:
    """Print where the report lies; with JSON on stdout, to stderr."""
    say(f"report: {path}", sys.stderr if as_json else sys.stdout)


def print_list(sweeps: pd.DataFrame, abs_: pd.DataFrame, *, as_json: bool) -> None:
    """Print a row a sweep, then a row an A/B comparison; with JSON the sweeps alone."""
    if as_json:
        sys.stdout.write(sweeps.to_json(orient="records", date_format="iso", indent=2) + "\n")
        return
    _print_frame(sweeps.rename(columns={"host": "target"}), ("id", "users", "runs", "status", "verdict", "target"))
    columns = ("id", "design", "rounds", "status", "verdict", "baseline", "candidate")
    _print_frame(abs_.rename(columns={"id": "A/B comparison"}), ("A/B comparison", *columns[1:]))
    if sweeps.empty and abs_.empty:
        sys.stderr.write("no sweep yet: run one with perflab sweep\n")


def _print_frame(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    if frame.empty:
        return
    table = make_table(*columns, numbers=_NUMBERS)
    for row in frame[list(columns)].astype("object").fillna("").to_dict("records"):
        verdict = f"[{STYLES.get(str(row['verdict']), 'default')}]{row['verdict']}[/]"
        table.add_row(*(verdict if name == "verdict" else escape(str(row[name])) for name in columns))
    open_console().print(table)


def _count(number: Any) -> str:
    return f"{round(number):,}".replace(",", " ")


def _objective(row: Any) -> str:
    """Return what is judged, and how where that isn't a matter of course."""
    how = [f"{row.clock} clock"] if row.clock not in ("", "wire") else []
    how += [str(row.endpoints)] if row.endpoints else []
    return escape(f"{row.objective} ({', '.join(how)})" if how else str(row.objective))


def _figure(objective: object, figure: Any) -> str:
    """Return a measured value with its unit; rates as per cent."""
    value = float(figure)
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if str(objective).endswith("_rate"):
        return f"{100 * value:.2f} %"
    return f"{value:.1f} /s" if str(objective).endswith("_rps") else f"{value:.1f} ms"
