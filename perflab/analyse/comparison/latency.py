"""Latency of two sweeps: a cell is a user count, a group of endpoints and a percentile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.comparison import within_run
from perflab.analyse.comparison.compare_runs import Comparison
from perflab.analyse.comparison.figures import LEAST_BEYOND, PERCENTILES, requests_needed
from perflab.analyse.comparison.procedure import LATENCY_PART, Options, compare_part
from perflab.analyse.comparison.side import Cell, Side
from perflab.analyse.comparison.wording import interval
from perflab.analyse.summary import SortedSamples, sort_judged

TESTED = ["ratio", "low", "high", "p_regression", "p_adjusted", "verdict", "words"]
CELL_DTYPES: dict[str, Any] = {
    **{"users": "int64", "group": "str", "metric": "str", "baseline_runs": "int64", "candidate_runs": "int64"},
    **{"baseline": "float64", "candidate": "float64", "ratio": "float64", "low": "float64", "high": "float64"},
    **{"p_regression": "float64", "p_adjusted": "float64", "verdict": "str", "words": "str", "clock": "str"},
}


@dataclass(frozen=True, slots=True)
class Latency:
    """What was found: `cells` and `endpoints` as in `SweepComparison`; `open` is why it can't pass, a line each."""

    cells: pd.DataFrame
    endpoints: pd.DataFrame
    comparison: Comparison | None
    open: list[str]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell with the figures of the runs that count, by side; `state` says what can be made of it.

    tested: at least 2 values a side; single: at least one; too few: requests in a run; one-sided: a side has none
    such; no value: a side has requests, but none of its runs has a value.
    """

    users: int
    group: str
    metric: str
    runs: Mapping[str, pd.DataFrame]

    @property
    def name(self) -> str:
        return f"{self.group} {self.metric.removesuffix('_ms')} at {self.users} users"

    @property
    def values(self) -> dict[str, pd.DataFrame]:
        return {side: runs[runs["used"]] for side, runs in self.runs.items()}

    @property
    def absent(self) -> str:
        """The side that has no such request at all; empty if both have."""
        return next((side for side, runs in self.runs.items() if runs.empty), "")

    @property
    def median_beyond(self) -> float:
        return float(pd.concat([runs["beyond"] for runs in self.runs.values()]).median())

    @property
    def state(self) -> str:
        if self.absent:
            return "one-sided"
        if self.median_beyond < LEAST_BEYOND:
            return "too few"
        fewest = min(len(values) for values in self.values.values())
        return ("no value", "single", "tested")[min(fewest, 2)]

    @property
    def lacking(self) -> Iterator[str]:
        """Why runs that count have no value, a line a side."""
        for side, runs in self.runs.items():
            without = runs[~runs["used"]]
            if not without.empty:
                yield (
                    f"{self.name}: {len(without)} of {len(runs)} runs of the {side} have no value "
                    f"({without['run'].iloc[0]}: {without['why'].iloc[0]})"
                )


def compare_latency(
    baseline: Side, candidate: Side, figures: pd.DataFrame, wire: Mapping[Cell, bool], options: Options
) -> Latency:
    """Compare the `figures` of both sides (rows of `run_figures`) at the user counts that both have."""
    cells = list(_cells(baseline, candidate, figures))
    tested = [cell for cell in cells if cell.state == "tested"]
    sides = [_as_runs(tested, side.name) for side in (baseline, candidate)]
    comparison = compare_part(*sides, options, LATENCY_PART)
    rows = [_row(cell) for cell in cells]
    if comparison is not None:
        found = comparison.cells.set_index("cell")[["baseline", "candidate", *TESTED]]
        for number, cell in enumerate(tested):
            rows[cells.index(cell)].update(found.loc[number].to_dict())
    singles = [cell for cell in cells if cell.state == "single"]
    if singles:
        distributions = {side.name: _distributions(side, wire) for side in (baseline, candidate)}
        for cell in singles:
            rows[cells.index(cell)].update(_single(cell, distributions))
    frame = pd.DataFrame(rows, columns=list(CELL_DTYPES)).astype(CELL_DTYPES)
    endpoints = pd.DataFrame(columns=["group", *TESTED])
    if comparison is not None:
        endpoints = comparison.endpoints.rename(columns={"endpoint": "group"})[["group", *TESTED]]
    return Latency(
        frame,
        endpoints.astype({name: CELL_DTYPES[name] for name in ("group", *TESTED)}),
        comparison,
        list(_open(cells)),
        list(_notes(cells)),
    )


def _cells(baseline: Side, candidate: Side, figures: pd.DataFrame) -> Iterator[_Cell]:
    order = list(dict.fromkeys([*baseline.groups, *candidate.groups]))
    used = {side.name: side.runs[side.runs["used"]] for side in (baseline, candidate)}
    levels = sorted({*used["baseline"]["users"]} & {*used["candidate"]["users"]})
    counting = figures[figures["counts"]]
    rows = dict(iter(counting.groupby(["side", "users", "group", "metric"])))
    nothing = counting.iloc[:0]
    for users in levels:
        for group in order:
            for metric in PERCENTILES:
                runs = {side: rows.get((side, users, group, metric), nothing) for side in used}
                if any(not of_side.empty for of_side in runs.values()):
                    yield _Cell(users, group, metric, runs)


def _as_runs(cells: Sequence[_Cell], side: str) -> pd.DataFrame:
    frames = [
        pd.DataFrame({"cell": number, "endpoint": cell.group, "run": values["repeat"], "value": values["value"]})
        for number, cell in enumerate(cells)
        for values in (cell.values[side],)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["cell", "run"])


def _row(cell: _Cell) -> dict[str, Any]:
    row: dict[str, Any] = {"users": cell.users, "group": cell.group, "metric": cell.metric}
    for side, values in cell.values.items():
        row[f"{side}_runs"] = len(values)
        row[side] = float(np.exp(np.log(values["value"]).mean())) if len(values) else np.nan
    clocks = dict.fromkeys(clock for runs in cell.runs.values() for clock in runs.loc[runs["samples"] > 0, "clock"])
    row["clock"] = next(iter(clocks)) if len(clocks) == 1 else "wire and client"
    return {**row, "verdict": "not assessable", "words": f"not assessable: {_why_not(cell)}"}


def _why_not(cell: _Cell) -> str:
    if cell.state == "one-sided":
        return f"the {cell.absent} has no such request"
    if cell.state == "too few":
        median = float(pd.concat([runs["samples"] for runs in cell.runs.values()]).median())
        return f"it takes {requests_needed(cell.metric)} requests a run, there were {median:.0f}"
    return next(cell.lacking, "").partition(": ")[2]


def _distributions(side: Side, wire: Mapping[Cell, bool]) -> tuple[SortedSamples, dict[tuple[str, str], int]]:
    """Return the samples of each run and group, and where those of (run, group) are."""
    counts = side.counts
    by_wire = np.zeros(len(side.runs) * len(side.groups), "bool")
    by_wire[counts["at"]] = [wire.get(cell, False) for cell in zip(counts["users"], counts["group"], strict=True)]
    ordered = sort_judged(side.requests.samples, side.run_and_group, len(by_wire), by_wire)
    return ordered, dict(zip(zip(counts["run"], counts["group"], strict=True), counts["at"].tolist(), strict=True))


def _single(
    cell: _Cell, distributions: Mapping[str, tuple[SortedSamples, dict[tuple[str, str], int]]]
) -> dict[str, Any]:
    """Return what the scatter of requests alone says of a cell that has but one run on some side."""
    q = PERCENTILES[cell.metric]
    logs = {}
    for side, values in cell.values.items():
        ordered, at = distributions[side]
        logs[side] = [within_run.of_percentile(ordered.cell(at[run, cell.group]), q) for run in values["run"]]
    ratio, low, high = within_run.ratio(logs["baseline"], logs["candidate"])
    words = f"open: {interval(ratio, low, high)} by the scatter of requests alone; how much runs differ is not in it"
    return {"ratio": ratio, "low": low, "high": high, "verdict": "open", "words": words}


def _open(cells: Sequence[_Cell]) -> Iterator[str]:
    for (users, group), of_group in groupby(cells, key=lambda cell: (cell.users, cell.group)):
        found = list(of_group)
        absent = found[0].absent
        if absent == "candidate":
            yield f"{group} at {users} users: the candidate has no such request"
        elif not absent and all(cell.state == "too few" for cell in found):
            yield f"{group} at {users} users can't be judged by any percentile: {_why_not(found[0])}"
        for cell in found:
            if cell.state in ("tested", "no value", "single"):
                yield from cell.lacking
    single = [cell for cell in cells if cell.state == "single"]
    if single:
        where = sorted({cell.users for cell in single})
        yield (
            f"one run on a side at {', '.join(map(str, where))} users: that tells nothing about a change; "
            "make at least 5 a side (--repeats 5)"
        )


def _notes(cells: Sequence[_Cell]) -> Iterator[str]:
    for cell in cells:
        if cell.state == "too few":
            yield f"{cell.name} is left out of the verdict: {_why_not(cell)}"
    for (users, group), of_group in groupby(cells, key=lambda cell: (cell.users, cell.group)):
        if next(of_group).absent == "baseline":
            yield f"{group} at {users} users: the candidate alone has such requests, there is nothing to compare"
