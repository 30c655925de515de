"""Where a single run lies among earlier runs of the baseline's configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from perflab.analyse.comparison.columns import frame
from perflab.analyse.comparison.figures import compared_figures
from perflab.analyse.comparison.side import Cell, Side
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Objectives
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Finding

LEAST_RUNS = 10
# How often a further run of the same configuration lies within the interval.
COVERAGE = 0.99
COLUMNS = ("users", "group", "metric", "runs", "low", "high", "candidate", "inside")


def spread(
    cells: pd.DataFrame,
    baseline: Sweep,
    history: Iterable[Sweep],
    wire: Mapping[Cell, bool],
    objectives: Objectives,
) -> pd.DataFrame:
    """Return a row for each of `cells` that has one run on some side and at least ten runs to be compared with.

    Groups are those of `objectives`. `history` are sweeps of the baseline's configuration, whose runs count with the
    baseline's own. Columns: users, group, metric, runs, low and high (ms, a 99 % prediction interval by t on the
    logarithms), candidate (ms), inside.
    """
    asked = cells[(cells[["baseline_runs", "candidate_runs"]].min(axis=1) == 1) & (cells["verdict"] == Finding.OPEN)]
    if asked.empty:
        return frame([], COLUMNS)
    known = _figures([baseline, *history], wire, objectives)
    rows = []
    for cell in asked.to_dict("records"):
        own = (
            (known["users"] == cell["users"]) & (known["group"] == cell["group"]) & (known["metric"] == cell["metric"])
        )
        logs = np.log(known.loc[own, "value"].to_numpy("float64"))
        if len(logs) >= LEAST_RUNS:
            rows.append(_row(cell, logs))
    return frame(rows, COLUMNS)


def spread_notes(found: pd.DataFrame) -> list[str]:
    """Return what is to be said of it, one line each."""
    if found.empty:
        return []
    inside = int(found["inside"].sum())
    lines = [
        f"{inside} of {len(found)} figures of the candidate lie within the spread of the runs of the baseline's "
        f"configuration ({found['runs'].min()} or more)"
    ]
    for row in found[~found["inside"]].to_dict("records"):
        percentile = metric_of(row["metric"]).words
        lines.append(
            f"{row['group']} {percentile} at {row['users']} users: {row['candidate']:.4g} ms lies outside of their "
            f"spread ({COVERAGE * 100:g} % are within {row['low']:.4g} to {row['high']:.4g} ms)"
        )
    return lines


def _figures(sweeps: Sequence[Sweep], wire: Mapping[Cell, bool], objectives: Objectives) -> pd.DataFrame:
    """Return the figures of all sweeps by the same clocks; a cell that lacks its clock in a sweep is left out."""
    parts = []
    for sweep in sweeps:
        side = Side.of("history", sweep, objectives, planned=False)
        lacking = {cell for cell, is_wire in wire.items() if is_wire and not side.wire.get(cell, False)}
        figures = compared_figures([side], wire, paired=False)
        cells = zip(figures["users"].tolist(), figures["group"].tolist(), strict=True)
        comparable = np.array([cell not in lacking for cell in cells], "bool")
        parts.append(figures[figures["used"] & comparable])
    return pd.concat(parts, ignore_index=True)


def _row(cell: Mapping[Any, Any], logs: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    runs = len(logs)
    # One more run, or the mean of several, beside the runs so far.
    deviation = logs.std(ddof=1) * np.sqrt(1 / cell["candidate_runs"] + 1 / runs)
    reach = special.stdtrit(runs - 1, (1 + COVERAGE) / 2) * deviation
    low, high = np.exp(logs.mean() - reach), np.exp(logs.mean() + reach)
    row = {name: cell[name] for name in ("users", "group", "metric", "candidate")}
    return {**row, "runs": runs, "low": low, "high": high, "inside": bool(low <= cell["candidate"] <= high)}
