"""What is printed of sweeps: a result, a list, where the report lies."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from perflab.cli.output.console import make_table, open_console, styled
from perflab.vocabulary.metric import CHARTED, ERROR_RATE, THROUGHPUT, metric_of
from perflab.vocabulary.number import thousands
from perflab.vocabulary.text import say
from perflab.vocabulary.verdict import Verdict

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
    for row in sweep.verdicts.to_dict("records"):
        metric = metric_of(row["objective"])
        table.add_row(
            str(row["users"]),
            escape(str(row["group"])),
            _objective(row),
            metric.amount(row["measured"]),
            metric.interval(row["low"], row["high"]),
            metric.limit(row["bound"], row["limit"]),
            thousands(row["samples"]),
            "-" if math.isnan(row["effective_samples"]) else thousands(row["effective_samples"]),
            styled(Verdict(row["verdict"])),
        )
    if table.row_count:
        console.print(table)
        console.print(
            "  bounds: one-sided 95 % each; effective: how many independent requests would tell as much", soft_wrap=True
        )
    console.print(f"{styled(sweep.verdict)}  {escape(sweep.id)}")
    for line in lines:
        console.print(f"  {escape(line)}", soft_wrap=True)


def _print_figures(groups: pd.DataFrame) -> None:
    if groups.empty:
        return
    # The wire clock is the rule; where there is another one, each row says its own.
    clock = ["clock"] if not set(groups.loc[groups.ok > 0, "clock"]) <= {"wire"} else []
    columns = ("users", "group", "requests", "requests/s", "failed", *(metric.words for metric in CHARTED), *clock)
    table = make_table(*columns, numbers={*columns} - {"group", "clock"})
    for row in groups.to_dict("records"):
        table.add_row(
            str(row["users"]),
            escape(str(row["group"])),
            thousands(row["requests"]),
            THROUGHPUT.amount(row["rps"]),
            ERROR_RATE.amount(row["error_rate"]),
            *(metric.amount(row[metric.name]) for metric in CHARTED),
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
        verdict = styled(Verdict(str(row["verdict"]))) if row["verdict"] else ""
        table.add_row(*(verdict if name == "verdict" else escape(str(row[name])) for name in columns))
    open_console().print(table)


def _objective(row: Mapping[Any, Any]) -> str:
    """Return what is judged, and how where that isn't a matter of course."""
    how = [f"{row['clock']} clock"] if row["clock"] not in ("", "wire") else []
    how += [str(row["endpoints"])] if row["endpoints"] else []
    return escape(f"{row['objective']} ({', '.join(how)})" if how else str(row["objective"]))
