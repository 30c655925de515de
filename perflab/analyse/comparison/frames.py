"""DataFrames of run-level figures to arrays of logarithms, refused where they can't be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.summary import Bools, Floats, Ints
from perflab.errors import UsageError

COLUMNS = ("cell", "run", "value")


@dataclass(frozen=True, slots=True)
class Sides:
    """Logarithms of both sides, of shape (cells, runs), NaN where a run has no value, and what the rows are."""

    baseline: Floats
    candidate: Floats
    cells: list[Any]
    endpoints: list[Any]
    endpoint: Ints
    """Each cell's position in `endpoints`."""
    baseline_only: list[Any]
    candidate_only: list[Any]

    @property
    def runs(self) -> int:
        """The number of runs on the side that has more of them."""
        return int(max(self.baseline.shape[1], self.candidate.shape[1]))


def read_sides(baseline: pd.DataFrame, candidate: pd.DataFrame, *, paired: bool) -> Sides:
    """Arrange the frames' values; paired, run i of one side belongs to run i of the other.

    Raises UsageError for what can't be compared: a missing column, a value without a logarithm, a run that has two
    values in a cell, a cell of two endpoints, paired runs without a partner, no cell in common.
    """
    tables = {name: _table(frame, name) for name, frame in (("baseline", baseline), ("candidate", candidate))}
    before, after = tables["baseline"], tables["candidate"]
    cells = [cell for cell in before.index if cell in after.index]
    if not cells:
        raise UsageError("baseline and candidate have no cell in common: name what is to be compared alike in both")
    if paired:
        _check_pairs(before.columns, after.columns)
        after = after[before.columns]
    endpoint_of = _endpoints(baseline, candidate)
    names = [endpoint_of[cell] for cell in cells]
    endpoints = list(dict.fromkeys(names))
    return Sides(
        baseline=before.loc[cells].to_numpy("float64"),
        candidate=after.loc[cells].to_numpy("float64"),
        cells=cells,
        endpoints=endpoints,
        endpoint=np.array([endpoints.index(name) for name in names], "int64"),
        baseline_only=[cell for cell in before.index if cell not in after.index],
        candidate_only=[cell for cell in after.index if cell not in before.index],
    )


def _table(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return logarithms, a row a cell and a column a run, both in order of appearance."""
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise UsageError(f"{name} has no column {missing[0]!r}: it needs the columns {', '.join(COLUMNS)}")
    for column in ("cell", "run"):
        if frame[column].isna().any():
            raise UsageError(f"{name} has a row without a {column}: name it or leave the row out")
    values = pd.to_numeric(frame["value"], errors="coerce").to_numpy("float64")
    wrong: Bools = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        row = frame[wrong].iloc[0]
        raise UsageError(
            f"{name} has the value {row['value']} in cell {row['cell']}, run {row['run']}: "
            "values must be positive numbers; leave out what could not be measured"
        )
    double = frame.duplicated(["cell", "run"])
    if double.any():
        row = frame[double].iloc[0]
        raise UsageError(
            f"{name} has two values in cell {row['cell']}, run {row['run']}: give one figure a run and cell"
        )
    logs = pd.DataFrame({"cell": frame["cell"], "run": frame["run"], "log": np.log(values)})
    table = logs.pivot(index="cell", columns="run", values="log")
    return table.reindex(index=frame["cell"].unique(), columns=frame["run"].unique())


def _check_pairs(before: pd.Index[Any], after: pd.Index[Any]) -> None:
    alone = [run for run in before if run not in after] + [run for run in after if run not in before]
    if alone:
        side = "baseline" if alone[0] in before else "candidate"
        raise UsageError(
            f"run {alone[0]} is in {side} only: paired runs are matched by name; leave it out, or use paired=False"
        )


def _endpoints(*frames: pd.DataFrame) -> dict[Any, Any]:
    """Return each cell's endpoint: the column of that name, or the cell itself."""
    found: dict[Any, Any] = {}
    for frame in frames:
        named = frame["endpoint"] if "endpoint" in frame.columns else frame["cell"]
        for cell, endpoint in dict.fromkeys(zip(frame["cell"], named, strict=True)):
            if found.setdefault(cell, endpoint) != endpoint:
                raise UsageError(
                    f"cell {cell} belongs to endpoint {found[cell]} and to {endpoint}: a cell has one endpoint, "
                    "the same in baseline and candidate"
                )
    return found
