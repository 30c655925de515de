"""The result as plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from perflab.analyse.sweep import Sweep


def document(sweep: Sweep) -> dict[str, Any]:
    """Return verdicts, groups and endpoints by level; a value that is not there is None."""
    groups, endpoints, verdicts = (records(frame) for frame in (sweep.groups, sweep.listed_endpoints, sweep.verdicts))
    levels = []
    for level in records(sweep.levels):
        users = level["users"]
        objectives = _of_level(verdicts, users)
        measured = {row["group"]: row for row in _of_level(groups, users)}
        names = dict.fromkeys([*measured, *(row["group"] for row in objectives)])
        level["reasons"] = [line for line in level["reasons"].splitlines() if line]
        level["groups"] = [
            {"group": name, **measured.get(name, {"requests": 0}), "objectives": _of_group(objectives, name)}
            for name in names
        ]
        level["endpoints"] = _of_level(endpoints, users)
        levels.append(level)
    return {
        "sweep": sweep.id,
        "status": sweep.manifest.status,
        "verdict": sweep.verdict,
        "headline": sweep.headline,
        "reasons": sweep.reasons,
        "notes": sweep.notes,
        "levels": levels,
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as dicts of plain Python values, NaN as None."""
    columns = [[_plain(value) for value in frame[name].tolist()] for name in frame]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _of_level(rows: Iterable[dict[str, Any]], users: int) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "users"} for row in rows if row["users"] == users]


def _of_group(rows: Iterable[dict[str, Any]], group: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "group"} for row in rows if row["group"] == group]
