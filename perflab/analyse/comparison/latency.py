"""Latency of two sweeps: a cell is a level, a group of endpoints and a percentile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from perflab.analyse.comparison.decision import LATENCY_SHARE, Rules
from perflab.analyse.comparison.parts import (
    FOUND,
    Part,
    Row,
    Scatter,
    Values,
    compare_cells,
    not_assessable,
    regressed,
    scatter_ratio,
    single_run,
)
from perflab.analyse.comparison.side import Cell, Side, common_levels, frame, group_order
from perflab.analyse.summary import Bools, Floats, Ints
from perflab.plan.ab import LOOKS
from perflab.store.layout import SIDES
from perflab.vocabulary.level import Level, levels_in_words
from perflab.vocabulary.metric import CHARTED, Percentile, percentile_of
from perflab.vocabulary.text import listing

# How many samples must lie beyond a percentile to judge by it.
MIN_BEYOND = 50
# The median run of a cell must have that many. To exclude single runs with fewer would exclude the slow ones, because
# slow runs make fewer requests, so a run is excluded only if it has less than half as many.
MIN_BEYOND_RUN = MIN_BEYOND / 2

# tested: both sides have 2 values or more; single runs: one has only 1; no value: a side has requests but no value.
_State: TypeAlias = Literal["tested", "single runs", "no value", "too few requests", "one-sided"]
_COLUMNS = ("level", "group", "metric", "baseline_runs", "candidate_runs", *SIDES, *FOUND, "clock")
_CELL_COLUMNS = ["level", "group", "metric"]
_FIGURES = [
    *("side", "level", "repeat", "run", "group", "metric", "value", "samples", "beyond", "clock", "used", "why"),
    *("counts", "median_beyond"),
]


def latency_by_run(sides: Sequence[Side], wire: Mapping[Cell, bool], *, paired: bool) -> pd.DataFrame:
    """Return one row per side, run, group and percentile; `wire` says which cells are on the wire clock.

    Columns: those of `SweepComparison.latency_by_run`, counts (whether the run as a whole counts), median_beyond (the
    median of `beyond` over the cell's runs that count, of both sides). An unanswered request counts as infinitely slow:
    a percentile that falls on one has no value.
    """
    figures = pd.concat([part for side in sides for part in _side_latency(side, wire)], ignore_index=True)
    counted = figures[figures["counts"]]
    by_cell = counted.groupby(_CELL_COLUMNS, observed=True)
    figures["median_beyond"] = by_cell["beyond"].transform("median").reindex(figures.index)
    too_few = figures["counts"] & (figures["median_beyond"] < MIN_BEYOND)
    # This takes precedence over what a single run lacks, because it applies to all runs of the cell.
    figures.loc[too_few, "why"] = [
        f"{requests_needed(percentile_of(name))} requests per run are needed" for name in figures["metric"][too_few]
    ]
    if paired:
        with_value = figures[figures["why"] == ""]
        unpaired = with_value.groupby([*_CELL_COLUMNS, "repeat"], observed=True)["side"].transform("size") < 2
        figures.loc[unpaired.index[unpaired], "why"] = "the other side has no value in this round"
    figures["used"] = figures["why"] == ""
    return figures[_FIGURES]


def _side_latency(side: Side, wire: Mapping[Cell, bool]) -> Iterator[pd.DataFrame]:
    counts = side.counts
    sorted_samples, clock = side.sort_by_run(wire)
    at = counts["at"].to_numpy()
    samples = sorted_samples.samples[at]
    common = counts[["level", "repeat", "run", "group"]].assign(counts=counts["used"])
    common.insert(0, "side", pd.Series([side.name] * len(common), dtype="str"))
    for metric in CHARTED:
        value = sorted_samples.percentile(metric.q)[at]
        beyond = np.floor(np.round(samples * (1 - metric.q), 6)).astype("int64")
        rows = zip(counts["why"], value.tolist(), beyond.tolist(), strict=True)
        why = [run_why or _no_value(metric, *figures) for run_why, *figures in rows]
        yield common.assign(
            metric=pd.Series([metric.name] * len(common), dtype="str"),
            value=np.where(np.isfinite(value), value, np.nan),
            samples=samples,
            beyond=beyond,
            clock=pd.Series(clock.astype("object")[at], dtype="str"),
            why=pd.Series(why, dtype="str"),
        )


def requests_needed(percentile: Percentile) -> int:
    """Return how many requests a run needs for a percentile to be judged."""
    return int(np.ceil(round(MIN_BEYOND / (1 - percentile.q), 6)))


def _no_value(percentile: Percentile, value: float, beyond: int) -> str:
    if np.isnan(value):
        return "no successful request"
    if np.isinf(value):
        return f"its {percentile.words} falls on requests that were never answered"
    return f"only {beyond} requests lie beyond its {percentile.words}" if beyond < MIN_BEYOND_RUN else ""


def compare_latency(
    baseline: Side, candidate: Side, figures: pd.DataFrame, wire: Mapping[Cell, bool], rules: Rules
) -> Part:
    """Compare the `figures` of both sides (see `latency_by_run`) at the levels that both have."""
    cells = list(_cells(baseline, candidate, figures))
    tested = [cell for cell in cells if cell.state == "tested"]
    values = [[cell.runs[name].values for cell in tested] for name in SIDES]
    comparison = compare_cells([cell.group for cell in tested], values, rules, LATENCY_SHARE)
    known: dict[_Cell, Row] = {}
    by_group: list[Row] = []
    if comparison is not None:
        known |= dict(zip(tested, comparison.cells[[*SIDES, *FOUND]].to_dict("records"), strict=True))
        by_group = comparison.endpoints.rename(columns={"endpoint": "group"}).to_dict("records")
    for cell in cells:
        if cell.state == "single runs":
            by_wire = wire[cell.level, cell.group]
            runs = [_scatter(side, cell, by_wire) for side in (baseline, candidate)]
            known[cell] = single_run(scatter_ratio(*runs))
    return Part(
        cells=frame([{**cell.row, **known.get(cell, {})} for cell in cells], _COLUMNS),
        by_group=frame(by_group, ("group", *FOUND)),
        deciding=comparison,
        regressed=regressed(comparison),
        open=list(_open(cells)),
        notes=list(_notes(cells)),
    )


@dataclass(frozen=True, slots=True)
class _Runs:
    """The figures of one side's runs that count, in one cell: columns of `latency_by_run`."""

    run: Any
    repeat: Ints
    value: Floats
    samples: Ints
    clock: Any
    used: Bools
    why: Any

    @property
    def values(self) -> Values:
        """Those that are used."""
        return Values(self.repeat[self.used], self.value[self.used])

    def mean(self, chosen: Bools) -> float:
        """Return the geometric mean of the chosen runs' values; NaN if there are none."""
        values = self.value[chosen]
        return float(np.exp(np.log(values).mean())) if len(values) else float("nan")


@dataclass(frozen=True, eq=False)
class _Cell:
    """A cell with the figures of both sides, by name, and its number of samples beyond in the median run."""

    level: Level
    group: str
    percentile: Percentile
    runs: Mapping[str, _Runs]
    beyond: float

    @property
    def absent(self) -> str:
        """The side that has no such request at all; empty if both have."""
        return next((side for side, runs in self.runs.items() if not len(runs.used)), "")

    @cached_property
    def state(self) -> _State:
        """What can be made of it."""
        if self.absent:
            return "one-sided"
        if self.beyond < MIN_BEYOND:
            return "too few requests"
        fewest = min(int(runs.used.sum()) for runs in self.runs.values())
        return "tested" if fewest > 1 else "single runs" if fewest else "no value"

    @property
    def lacking(self) -> Iterator[str]:
        """Why runs that count have no value, one phrase per side."""
        for side, runs in self.runs.items():
            without = np.flatnonzero(~runs.used)
            if len(without):
                first = f"{runs.run[without[0]]}: {runs.why[without[0]]}"
                yield f"{len(without)} of {len(runs.used)} runs of the {side} have no value ({first})"

    @property
    def why_not(self) -> str:
        """Why it is not assessable."""
        if self.absent:
            return f"the {self.absent} has no such request"
        if self.state == "too few requests":
            median = np.median(np.concatenate([runs.samples for runs in self.runs.values()]))
            return f"it takes {requests_needed(self.percentile)} requests a run, there were {median:.0f}"
        return next(self.lacking, "")

    @property
    def row(self) -> Row:
        """What is known of it without a test, as columns."""
        row: Row = {"level": self.level, "group": self.group, "metric": self.percentile.name}
        for side, runs in self.runs.items():
            # A figure of too few requests is no evidence, but worth a look.
            shown = np.isfinite(runs.value) if self.state == "too few requests" else runs.used
            row |= {f"{side}_runs": int(shown.sum()), side: runs.mean(shown)}
        clocks = {clock for runs in self.runs.values() for clock in runs.clock[runs.samples > 0]}
        row["clock"] = clocks.pop() if len(clocks) == 1 else "wire and client"
        return {**row, **not_assessable(self.why_not)}


def _cells(baseline: Side, candidate: Side, figures: pd.DataFrame) -> Iterator[_Cell]:
    counting = figures[figures["counts"]]
    columns = [counting[name].to_numpy() for name in _Runs.__slots__]
    beyond = counting["median_beyond"].to_numpy()
    at = counting.groupby(["side", "level", "group", "metric"]).indices
    nothing = np.zeros(0, "int64")
    for level in common_levels(baseline, candidate):
        for group in group_order(baseline, candidate):
            for metric in CHARTED:
                rows = {name: at.get((name, level, group, metric.name), nothing) for name in SIDES}
                every = np.concatenate(list(rows.values()))
                if len(every):
                    runs = {side: _Runs(*(column[own] for column in columns)) for side, own in rows.items()}
                    yield _Cell(level, group, metric, runs, float(beyond[every[0]]))


def _scatter(side: Side, cell: _Cell, by_wire: bool) -> list[Scatter]:
    places = dict(zip(side.runs["run"], side.runs["place"].tolist(), strict=True))
    runs = cell.runs[side.name]
    seen = [side.observations.of_group(places[str(run)], cell.group, by_wire) for run in runs.run[runs.used]]
    return [Scatter.of(observed.latency.percentile(cell.percentile.q)) for observed in seen]


def _by_level_and_group(cells: Sequence[_Cell]) -> Iterator[tuple[str, list[_Cell]]]:
    for (level, group), members in groupby(cells, key=lambda cell: (cell.level, cell.group)):
        yield f"{group} at {level}", list(members)


def _open(cells: Sequence[_Cell]) -> Iterator[str]:
    for where, members in _by_level_and_group(cells):
        first = members[0]
        if first.absent == "candidate":
            yield f"{where}: {first.why_not}"
        elif not first.absent and all(cell.state == "too few requests" for cell in members):
            yield f"{where} can't be judged, not even by its p50: {first.why_not}"
        for cell in members:
            if cell.state in ("tested", "single runs", "no value"):
                name = f"{cell.group} {cell.percentile.words} at {cell.level}"
                yield from (f"{name}: {phrase}" for phrase in cell.lacking)
    single = sorted({cell.level for cell in cells if cell.state == "single runs"})
    if single:
        yield (
            f"one run on a side at {levels_in_words(single)} tells nothing about a change: "
            f"make {LOOKS[0]} runs or more of both (--repeats {LOOKS[0]})"
        )


def _notes(cells: Sequence[_Cell]) -> Iterator[str]:
    for metric in CHARTED:
        few = [cell for cell in cells if cell.percentile == metric and cell.state == "too few requests"]
        if few:
            where = listing([f"{cell.group} at {cell.level}" for cell in few])
            needed = f"it takes {requests_needed(metric)}"
            yield f"{metric.words} is left out of the verdict for too few requests a run ({needed}): {where}"
    for where, members in _by_level_and_group(cells):
        if members[0].absent == "baseline":
            yield f"{where}: the baseline has no such request, so there is nothing to compare"
