"""What ``perflab list`` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from perflab.cli.output.console import make_table, open_console, styled
from perflab.results.document import to_json
from perflab.vocabulary.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd


def print_list(sweeps: pd.DataFrame, abs_: pd.DataFrame, *, as_json: bool) -> None:
    """Print one row per sweep, then one per A/B comparison; with JSON the sweeps alone."""
    if as_json:
        sys.stdout.write(to_json(json.loads(sweeps.to_json(orient="records", date_format="iso"))))
        return
    _print_frame(sweeps.rename(columns={"host": "target"}), ("id", "levels", "runs", "status", "verdict", "target"))
    columns = ("id", "design", "rounds", "status", "verdict", "baseline", "candidate")
    _print_frame(abs_.rename(columns={"id": "A/B comparison"}), ("A/B comparison", *columns[1:]))
    if sweeps.empty and abs_.empty:
        sys.stderr.write("no sweep yet: run one with perflab sweep\n")


def _print_frame(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    if frame.empty:
        return
    table = make_table(*columns, numbers={"levels", "runs", "rounds"})
    for row in frame[list(columns)].astype("object").fillna("").to_dict("records"):
        verdict = styled(Verdict(str(row["verdict"]))) if row["verdict"] else ""
        table.add_row(*(verdict if name == "verdict" else escape(str(row[name])) for name in columns))
    open_console().print(table)
