"""One side of a comparison: which of its runs count, and the figure of each run that everything else is made of.

The run is the replicate, so the requests of two runs are never pooled for a verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from perflab.analyse.observed import Observations
from perflab.analyse.partition import Steady
from perflab.analyse.samples import Recorded
from perflab.analyse.summary import Ints, SortedSamples, clocks, count_requests, sort_judged, wire_cells
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Objectives
from perflab.store.manifest import whole_seconds
from perflab.vocabulary.metric import CHARTED, Percentile, percentile_of

Cell: TypeAlias = tuple[int, str]
"""A user count and a group."""
NOT_COMPARED = "not of the rounds that are compared"
# Samples beyond a percentile that make it worth judging.
MIN_BEYOND = 50
# Whether a cell has so many is asked of its median run: to leave out the runs with fewer would leave out slow ones,
# since slow runs make fewer requests. Only a run with less than half of them has no figure of its own.
MIN_BEYOND_RUN = MIN_BEYOND / 2

_TEXTS = {"side", "group", "metric", "run", "clock", "verdict", "words", "evidence", "why", "method", "name"}
_WHOLE = {
    *("users", "repeat", "runs", "samples", "beyond", "baseline_runs", "candidate_runs"),
    *("baseline_failed", "baseline_requests", "candidate_failed", "candidate_requests"),
}
_FLAGS = {"used", "inside"}


def frame(rows: Sequence[Mapping[Any, Any]] | pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame of a comparison with these columns, each of its dtype, with or without rows."""
    return pd.DataFrame(rows, columns=list(columns)).astype({name: _dtype(name) for name in columns})


def _dtype(column: str) -> Any:
    if column in _TEXTS:
        return "str"
    return "int64" if column in _WHOLE else "bool" if column in _FLAGS else "float64"


@dataclass(frozen=True)
class Side:
    """A sweep as one side of a comparison, `name` baseline or candidate.

    `samples` are the sweep's, with the groups of the comparison. `requests` holds those of each run's window, each run
    a level of its own. `why` says of each run why it does not count; it is empty where it does.
    """

    name: str
    sweep: Sweep
    samples: Recorded
    windows: Sequence[range]
    requests: Steady
    why: Sequence[str]

    @classmethod
    def of(
        cls,
        name: str,
        sweep: Sweep,
        objectives: Objectives,
        *,
        planned: bool,
        repeats: Collection[int] | None = None,
    ) -> Side:
        """Return a sweep's side, with these `repeats` of it only if they are given.

        Groups are those of `objectives`: if both sides had their own, groups of one name could hold other endpoints.
        `planned` windows are taken as they are: both sides were loaded at the same moment, so what is not steady hits
        both. Otherwise the windows are those that the sweep is judged by.
        """
        manifests, samples = sweep.run_manifests, sweep.samples
        if sweep.manifest.objectives.groups != objectives.groups:
            samples = samples.grouped(objectives)
        windows = [whole_seconds(w) for w in ([run.window for run in manifests] if planned else sweep.windows)]
        seconds = np.array([len(window) for window in windows], "float64")
        runs = np.arange(len(windows))
        requests = Steady.of(samples, samples.within(windows), runs, tuple(runs.tolist()), seconds)
        why = [
            NOT_COMPARED if repeats is not None and manifest.repeat not in repeats else reasons
            for manifest, reasons in zip(manifests, sweep.runs["reasons"], strict=True)
        ]
        return cls(name, sweep, samples, windows, requests, why)

    def without(self, runs: Collection[tuple[int, int]], why: str) -> Side:
        """Return the side with these runs, as (users, repeat), left out too."""
        pairs = zip(self.why, self.sweep.run_manifests, strict=True)
        return replace(self, why=[own or (why if (run.users, run.repeat) in runs else "") for own, run in pairs])

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run: users, repeat, place (among all runs), run, seconds, used, why."""
        manifests = self.sweep.run_manifests
        return pd.DataFrame(
            {
                "users": np.array([run.users for run in manifests], "int64"),
                "repeat": np.array([run.repeat for run in manifests], "int64"),
                "place": np.arange(len(manifests)),
                "run": self.sweep.runs["run"].astype("str"),
                "seconds": self.requests.seconds,
                "used": np.array([not why for why in self.why], "bool"),
                "why": pd.Series(list(self.why), dtype="str"),
            }
        )

    @property
    def used_runs(self) -> set[tuple[int, int]]:
        """The runs that count, as (users, repeat)."""
        used = self.runs[self.runs["used"]]
        return set(zip(used["users"], used["repeat"], strict=True))

    @cached_property
    def observations(self) -> Observations:
        """What was observed second by second, each run a level of its own: by its place among the runs."""
        return Observations(self.samples, range(len(self.windows)), self.windows)

    @property
    def most_runs(self) -> int:
        """The number of runs that count, at the user count that has most of them."""
        return int(self.runs.groupby("users")["used"].sum().max()) if len(self.runs) else 0

    @property
    def groups(self) -> list[str]:
        """The groups of endpoints, in the objectives' order; some may have no request."""
        return [str(group) for group in self.requests.groups]

    @property
    def run_and_group(self) -> Ints:
        """The run and group of each sample as one number, run by run."""
        return self.requests.level * len(self.groups) + self.requests.group

    @cached_property
    def counts(self) -> pd.DataFrame:
        """One row per run and group that has requests at the run's user count.

        Columns: those of `runs`, group, at (run and group as one number), ok, failed, wire (whether nearly all of its
        successful requests have a wire time).
        """
        groups = self.groups
        number = len(self.runs) * len(groups)
        ok, failed = count_requests(self.requests.samples, self.run_and_group, number)
        counts = self.runs.loc[np.repeat(np.arange(len(self.runs)), len(groups))].reset_index(drop=True)
        counts["group"] = pd.Series(groups * len(self.runs), dtype="str")
        counts["at"] = np.arange(number)
        counts["ok"], counts["failed"] = ok, failed
        counts["wire"] = wire_cells(self.requests.samples, self.run_and_group, number)
        requests = (counts["ok"] + counts["failed"]).groupby([counts["users"], counts["group"]]).transform("sum")
        return counts[requests > 0].reset_index(drop=True)

    @cached_property
    def used_counts(self) -> Mapping[Cell, pd.DataFrame]:
        """The `counts` of each cell in the runs that count, in order of repeats."""
        used = self.counts[self.counts["used"]].sort_values("repeat", kind="stable")
        cells: Any = used.groupby(["users", "group"])
        return dict(iter(cells))

    @cached_property
    def wire(self) -> dict[Cell, bool]:
        """Whether the latency of each cell can be read from the wire clock in all of its runs that count."""
        answered = {cell: counts[counts["ok"] > 0] for cell, counts in self.used_counts.items()}
        return {cell: bool(counts["wire"].all()) for cell, counts in answered.items() if len(counts)}

    def sort_by_run(self, wire: Mapping[Cell, bool]) -> tuple[SortedSamples, pd.Categorical[str]]:
        """Return the judged samples of each run and group (in the places `at` of `counts`), and whose time it is."""
        by_wire = np.zeros(len(self.runs) * len(self.groups), "bool")
        cells = zip(self.counts["users"], self.counts["group"], strict=True)
        by_wire[self.counts["at"]] = [wire.get(cell, False) for cell in cells]
        samples, at = self.requests.samples, self.run_and_group
        return sort_judged(samples, at, len(by_wire), by_wire), clocks(samples, at, by_wire)

    def number_cells(self, cells: Sequence[Cell]) -> Ints:
        """Return which of the `cells` each run and group, as one number, is of; -1: of none, or it doesn't count."""
        numbers = np.full(len(self.runs) * len(self.groups), -1, "int64")
        for number, cell in enumerate(cells):
            numbers[self.used_counts[cell]["at"]] = number
        return numbers


def common_levels(baseline: Side, candidate: Side) -> list[int]:
    """Return the user counts of which both sides have a run that counts."""
    used = [{users for users, _ in side.used_runs} for side in (baseline, candidate)]
    return sorted(used[0] & used[1])


def group_order(baseline: Side, candidate: Side) -> list[str]:
    """Return the groups of both sides, the baseline's first."""
    return list(dict.fromkeys([*baseline.groups, *candidate.groups]))


def common_cells(baseline: Side, candidate: Side) -> list[Cell]:
    """Return the cells that both sides have requests of, in runs that count."""

    def has(side: Side, cell: Cell) -> bool:
        counts = side.used_counts.get(cell)
        return counts is not None and bool((counts["ok"] + counts["failed"]).any())

    every = (
        (users, group) for users in common_levels(baseline, candidate) for group in group_order(baseline, candidate)
    )
    return [cell for cell in every if has(baseline, cell) and has(candidate, cell)]


def cell_clocks(baseline: Side, candidate: Side) -> dict[Cell, bool]:
    """Return whether each cell of either side goes by the wire clock: one clock for both, else the client's."""
    cells = dict.fromkeys([*baseline.wire, *candidate.wire])
    return {cell: baseline.wire.get(cell, True) and candidate.wire.get(cell, True) for cell in cells}


_CELL = ["users", "group", "metric"]
_LATENCY_COLUMNS = [
    *("side", "users", "repeat", "run", "group", "metric", "value", "samples", "beyond", "clock", "used", "why"),
    *("counts", "median_beyond"),
]


def latency_by_run(sides: Sequence[Side], wire: Mapping[Cell, bool], *, paired: bool) -> pd.DataFrame:
    """Return one row per side, run, group and percentile; `wire` says which cells go by the wire clock.

    Columns: those of `SweepComparison.latency_by_run`, counts (whether the run as a whole does), median_beyond (of the
    cell, over the runs of both sides that count). An unanswered request takes for ever: a percentile that falls on one
    has no value.
    """
    figures = pd.concat([part for side in sides for part in _latency_of(side, wire)], ignore_index=True)
    counting = figures[figures["counts"]]
    by_cell = counting.groupby(_CELL, observed=True)
    figures["median_beyond"] = by_cell["beyond"].transform("median").reindex(figures.index)
    few = figures["counts"] & (figures["median_beyond"] < MIN_BEYOND)
    # Said before what a single run lacks: it is the reason for all of them.
    figures.loc[few, "why"] = [
        f"{requests_needed(percentile_of(name))} requests a run are needed" for name in figures["metric"][few]
    ]
    if paired:
        valued = figures[figures["why"] == ""]
        alone = valued.groupby([*_CELL, "repeat"], observed=True)["side"].transform("size") < 2
        figures.loc[alone.index[alone], "why"] = "the other side has no value in this round"
    figures["used"] = figures["why"] == ""
    return figures[_LATENCY_COLUMNS]


def _latency_of(side: Side, wire: Mapping[Cell, bool]) -> Iterator[pd.DataFrame]:
    counts = side.counts
    ordered, clock = side.sort_by_run(wire)
    at = counts["at"].to_numpy()
    samples = ordered.samples[at]
    front = counts[["users", "repeat", "run", "group"]].assign(counts=counts["used"])
    front.insert(0, "side", pd.Series([side.name] * len(front), dtype="str"))
    for metric in CHARTED:
        value = ordered.percentile(metric.q)[at]
        beyond = np.floor(np.round(samples * (1 - metric.q), 6)).astype("int64")
        rows = zip(counts["why"], value.tolist(), beyond.tolist(), strict=True)
        why = [left_out or _no_value(metric, *figures) for left_out, *figures in rows]
        yield front.assign(
            metric=pd.Series([metric.name] * len(front), dtype="str"),
            value=np.where(np.isfinite(value), value, np.nan),
            samples=samples,
            beyond=beyond,
            clock=pd.Series(clock.astype("object")[at], dtype="str"),
            why=pd.Series(why, dtype="str"),
        )


def requests_needed(percentile: Percentile) -> int:
    """Return how many requests a run takes to be worth judging by a percentile."""
    return int(np.ceil(round(MIN_BEYOND / (1 - percentile.q), 6)))


def _no_value(percentile: Percentile, value: float, beyond: int) -> str:
    if np.isnan(value):
        return "no successful request"
    if np.isinf(value):
        return f"so many requests were never answered that its {percentile.words} is one of them"
    return f"only {beyond} requests lie beyond its {percentile.words}" if beyond < MIN_BEYOND_RUN else ""
