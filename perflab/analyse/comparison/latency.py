"""Latency of two sweeps: a cell is a user count, a group of endpoints and a percentile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from perflab.analyse.comparison import within_run
from perflab.analyse.comparison.columns import FOUND, frame, records
from perflab.analyse.comparison.compare_runs import Comparison
from perflab.analyse.comparison.figures import LEAST_BEYOND, requests_needed
from perflab.analyse.comparison.procedure import LATENCY_PART, Options, compare_part
from perflab.analyse.comparison.side import Cell, Side, common_levels, group_order
from perflab.analyse.comparison.wording import names, scatter
from perflab.analyse.summary import Bools, Floats, Ints
from perflab.plan.ab import LOOKS
from perflab.vocabulary.metric import CHARTED, metric_of, percentile_of
from perflab.vocabulary.verdict import Finding

Texts: TypeAlias = np.ndarray[Any, np.dtype[np.object_]]
# tested: both sides have 2 values or more; single runs: one has only 1; no value: a side has requests but no value.
_State: TypeAlias = Literal["tested", "single runs", "no value", "too few requests", "one-sided"]

COLUMNS = (
    *("users", "group", "metric", "baseline_runs", "candidate_runs", "baseline", "candidate"),
    *FOUND,
    "clock",
)


@dataclass(frozen=True, slots=True)
class Latency:
    """What was found: `cells` and `endpoints` as in `SweepComparison`; `open` is why it can't pass, a line each."""

    cells: pd.DataFrame
    endpoints: pd.DataFrame
    comparison: Comparison | None
    open: list[str]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Runs:
    """The figures of one side's runs that count, in one cell."""

    name: Texts
    repeat: Ints
    value: Floats
    samples: Ints
    clock: Texts
    used: Bools
    why: Texts

    def __len__(self) -> int:
        return len(self.used)

    def mean(self, chosen: Bools) -> float:
        """Return the geometric mean of the chosen runs' values; NaN if there are none."""
        values = self.value[chosen]
        return float(np.exp(np.log(values).mean())) if len(values) else float("nan")


@dataclass(frozen=True, eq=False)
class _Cell:
    """A cell with the figures of both sides, by name, and its number of samples beyond in the median run."""

    users: int
    group: str
    metric: str
    runs: Mapping[str, _Runs]
    beyond: float

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.group} {metric_of(self.metric).words} at {self.users} users"

    @property
    def absent(self) -> str:
        """The side that has no such request at all; empty if both have."""
        return next((side for side, runs in self.runs.items() if not len(runs)), "")

    @cached_property
    def state(self) -> _State:
        """What can be made of it."""
        if self.absent:
            return "one-sided"
        if self.beyond < LEAST_BEYOND:
            return "too few requests"
        fewest = min(int(runs.used.sum()) for runs in self.runs.values())
        return "tested" if fewest > 1 else "single runs" if fewest else "no value"

    @property
    def lacking(self) -> Iterator[str]:
        """Why runs that count have no value, a phrase a side."""
        for side, runs in self.runs.items():
            without = np.flatnonzero(~runs.used)
            if len(without):
                first = f"{runs.name[without[0]]}: {runs.why[without[0]]}"
                yield f"{len(without)} of {len(runs)} runs of the {side} have no value ({first})"

    @property
    def why_not(self) -> str:
        """Why it is not assessable."""
        if self.absent:
            return f"the {self.absent} has no such request"
        if self.state == "too few requests":
            median = np.median(np.concatenate([runs.samples for runs in self.runs.values()]))
            return f"it takes {requests_needed(percentile_of(self.metric))} requests a run, there were {median:.0f}"
        return next(self.lacking, "")


def compare_latency(
    baseline: Side, candidate: Side, figures: pd.DataFrame, wire: Mapping[Cell, bool], options: Options
) -> Latency:
    """Compare the `figures` of both sides (see `compared_figures`) at the user counts that both have."""
    cells = list(_cells(baseline, candidate, figures))
    tested = [cell for cell in cells if cell.state == "tested"]
    before, after = (_as_runs(tested, side.name) for side in (baseline, candidate))
    comparison = compare_part(before, after, options, LATENCY_PART)
    found: dict[_Cell, dict[str, Any]] = {}
    endpoints: list[dict[str, Any]] = []
    if comparison is not None:
        columns = ["baseline", "candidate", *FOUND]
        found |= dict(zip(tested, records(comparison.cells[columns]), strict=True))
        endpoints = records(comparison.endpoints.rename(columns={"endpoint": "group"})[["group", *FOUND]])
    singles = [cell for cell in cells if cell.state == "single runs"]
    if singles:
        sides = {side.name: side for side in (baseline, candidate)}
        found |= {cell: _single(cell, sides, wire[cell.users, cell.group]) for cell in singles}
    rows = [{**_figures(cell), **found.get(cell, {})} for cell in cells]
    return Latency(
        frame(rows, COLUMNS), frame(endpoints, ("group", *FOUND)), comparison, list(_open(cells)), list(_notes(cells))
    )


def _cells(baseline: Side, candidate: Side, figures: pd.DataFrame) -> Iterator[_Cell]:
    counting = figures[figures["counts"]]
    columns = [counting[name].to_numpy() for name in ("run", "repeat", "value", "samples", "clock", "used", "why")]
    beyond = counting["median_beyond"].to_numpy()
    at = counting.groupby(["side", "users", "group", "metric"]).indices
    nothing = np.zeros(0, "int64")
    for users in common_levels(baseline, candidate):
        for group in group_order(baseline, candidate):
            for metric in CHARTED:
                rows = {
                    side.name: at.get((side.name, users, group, metric.name), nothing) for side in (baseline, candidate)
                }
                every = np.concatenate(list(rows.values()))
                if len(every):
                    runs = {side: _Runs(*(column[own] for column in columns)) for side, own in rows.items()}
                    yield _Cell(users, group, metric.name, runs, float(beyond[every[0]]))


def _as_runs(cells: Sequence[_Cell], side: str) -> pd.DataFrame:
    """Return the values of these cells as `compare_runs` takes them."""
    runs = [cell.runs[side] for cell in cells]
    numbers = [int(of.used.sum()) for of in runs]
    nothing = np.zeros(0)
    return pd.DataFrame(
        {
            "cell": np.repeat(np.arange(len(cells)), numbers),
            "endpoint": np.repeat(np.array([cell.group for cell in cells], "object"), numbers),
            "run": np.concatenate([nothing.astype("int64"), *(of.repeat[of.used] for of in runs)]),
            "value": np.concatenate([nothing, *(of.value[of.used] for of in runs)]),
        }
    )


def _figures(cell: _Cell) -> dict[str, Any]:
    """Return what is known of a cell without a test."""
    row: dict[str, Any] = {"users": cell.users, "group": cell.group, "metric": cell.metric}
    for side, runs in cell.runs.items():
        # A figure of too few requests is no evidence, but worth a look.
        shown = np.isfinite(runs.value) if cell.state == "too few requests" else runs.used
        row[f"{side}_runs"] = int(shown.sum())
        row[side] = runs.mean(shown)
    clocks = {clock for runs in cell.runs.values() for clock in runs.clock[runs.samples > 0]}
    row["clock"] = next(iter(clocks)) if len(clocks) == 1 else "wire and client"
    finding = Finding.NOT_ASSESSABLE
    return {**row, "verdict": finding, "words": finding.value, "evidence": cell.why_not}


def _single(cell: _Cell, sides: Mapping[str, Side], by_wire: bool) -> dict[str, Any]:
    """Return what the scatter of requests alone says of a cell that has but one run on some side."""
    q = percentile_of(cell.metric).q
    logs = []
    for name, runs in cell.runs.items():
        side = sides[name]
        places = dict(zip(side.runs["run"], side.runs["place"].tolist(), strict=True))
        seen = [side.observations.of_group(places[str(run)], cell.group, by_wire) for run in runs.name[runs.used]]
        logs.append([within_run.of_percentile(one.latency, q) for one in seen])
    return scatter(*within_run.ratio(*logs))


def _open(cells: Sequence[_Cell]) -> Iterator[str]:
    for (users, group), members in groupby(cells, key=lambda cell: (cell.users, cell.group)):
        of_group = list(members)
        first = of_group[0]
        if first.absent == "candidate":
            yield f"{group} at {users} users: {first.why_not}"
        elif not first.absent and all(cell.state == "too few requests" for cell in of_group):
            yield f"{group} at {users} users can't be judged, not even by its p50: {first.why_not}"
        for cell in of_group:
            if cell.state in ("tested", "single runs", "no value"):
                yield from (f"{cell.name}: {phrase}" for phrase in cell.lacking)
    single = sorted({cell.users for cell in cells if cell.state == "single runs"})
    if single:
        yield (
            f"one run on a side at {', '.join(map(str, single))} users tells nothing about a change: "
            f"make {LOOKS[0]} runs or more of both (--repeats {LOOKS[0]})"
        )


def _notes(cells: Sequence[_Cell]) -> Iterator[str]:
    for metric in CHARTED:
        few = [cell for cell in cells if cell.metric == metric.name and cell.state == "too few requests"]
        if few:
            where = names([f"{cell.group} at {cell.users} users" for cell in few])
            yield (
                f"{metric.words} is left out of the verdict for too few requests a run "
                f"(it takes {requests_needed(metric)}): {where}"
            )
    for (users, group), of_group in groupby(cells, key=lambda cell: (cell.users, cell.group)):
        if next(of_group).absent == "baseline":
            yield f"{group} at {users} users: the baseline has no such request, so there is nothing to compare"
