"""The columns that the frames of a comparison share, with their dtypes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

# What is found of a cell or of a group.
FOUND = ("ratio", "low", "high", "p_regression", "p_adjusted", "verdict", "words", "evidence")

_TEXTS = {
    "side",
    "group",
    "metric",
    "run",
    "clock",
    "verdict",
    "words",
    "evidence",
    "why",
    "method",
    "name",
    "what",
    "kind",
}
_WHOLE = {
    *("users", "repeat", "runs", "samples", "beyond", "baseline_runs", "candidate_runs"),
    *("baseline_failed", "baseline_requests", "candidate_failed", "candidate_requests"),
}
_FLAGS = {"used", "inside"}


def frame(rows: Sequence[dict[str, Any]] | pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame with these columns, each of its dtype, with or without rows."""
    return pd.DataFrame(rows, columns=list(columns)).astype({name: _dtype(name) for name in columns})


def _dtype(column: str) -> Any:
    if column in _TEXTS:
        return "str"
    return "int64" if column in _WHOLE else "bool" if column in _FLAGS else "float64"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dicts of plain Python values, NaN as None."""
    columns = [[_plain(value) for value in frame[name].tolist()] for name in frame]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
