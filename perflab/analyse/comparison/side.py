"""One side of a comparison: which of its runs count, and their requests.

The run is the replicate, so the requests of two runs are never pooled for a verdict.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
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
from perflab.vocabulary.level import Level

Cell: TypeAlias = tuple[Level, str]
"""A level and a group of endpoints."""
NOT_COMPARED = "not in one of the compared rounds"

_STRING_COLUMNS = {"side", "group", "metric", "run", "clock", "verdict", "words", "evidence", "why", "method", "name"}
_INTEGER_COLUMNS = {
    *("repeat", "runs", "samples", "beyond", "baseline_runs", "candidate_runs"),
    *("baseline_failed", "baseline_requests", "candidate_failed", "candidate_requests"),
}
_BOOLEAN_COLUMNS = {"used", "inside"}


def frame(rows: Sequence[Mapping[Any, Any]] | pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a frame with these columns of a comparison, each with its dtype even if there are no rows."""
    return pd.DataFrame(rows, columns=list(columns)).astype({name: _dtype(name) for name in columns})


def _dtype(column: str) -> Any:
    if column in _STRING_COLUMNS:
        return "str"
    if column == "level":
        return "object"
    return "int64" if column in _INTEGER_COLUMNS else "bool" if column in _BOOLEAN_COLUMNS else "float64"


@dataclass(frozen=True)
class Side:
    """A sweep as one side of a comparison; `name` is baseline or candidate.

    `samples` are the sweep's samples, with the groups of the comparison; `windows` the seconds of each run that are
    compared. `requests` holds the samples in them, with the run's index as level. `why` says for each run why it does
    not count; it is empty if the run counts.
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
        """Return a sweep as a side; with `repeats`, only these of its repeats count.

        Groups are those of `objectives`: if each side used its own, groups of the same name could hold different
        endpoints. With `planned`, the planned windows are compared: both sides were loaded at the same time, so what is
        not steady affects both. Otherwise the windows are those that the sweep's verdicts are based on.
        """
        manifests, samples = sweep.run_manifests, sweep.samples
        if sweep.manifest.objectives.groups != objectives.groups:
            samples = samples.grouped(objectives)
        windows = [whole_seconds(w) for w in ([run.window for run in manifests] if planned else sweep.windows)]
        seconds = np.array([len(window) for window in windows], "float64")
        levels = [run.level for run in manifests]
        requests = Steady.of(samples, samples.within(windows), np.arange(len(windows)), levels, seconds)
        why = [
            NOT_COMPARED if repeats is not None and manifest.repeat not in repeats else reasons
            for manifest, reasons in zip(manifests, sweep.runs["reasons"], strict=True)
        ]
        return cls(name, sweep, samples, windows, requests, why)

    def without(self, runs: Collection[tuple[Level, int]], why: str) -> Side:
        """Return the side with these runs, as (level, repeat), excluded as well."""
        pairs = zip(self.why, self.sweep.run_manifests, strict=True)
        return replace(self, why=[reason or (why if (run.level, run.repeat) in runs else "") for reason, run in pairs])

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run: level, repeat, run, place (its index among all runs), seconds, used, why."""
        runs = self.sweep.runs[["level", "repeat", "run"]].astype({"run": "str"})
        why = pd.Series(list(self.why), dtype="str")
        return runs.assign(place=np.arange(len(runs)), seconds=self.requests.seconds, used=why == "", why=why)

    @property
    def used_runs(self) -> set[tuple[Level, int]]:
        """The runs that count, as (level, repeat)."""
        used = self.runs[self.runs["used"]]
        return set(zip(used["level"], used["repeat"], strict=True))

    @cached_property
    def observations(self) -> Observations:
        """What was observed second by second, with the run's index as level."""
        return Observations(self.samples, range(len(self.windows)), self.windows)

    @property
    def most_runs(self) -> int:
        """The largest number of runs that count at any level."""
        return int(self.runs.groupby("level")["used"].sum().max()) if len(self.runs) else 0

    @property
    def groups(self) -> list[str]:
        """The groups of endpoints, in the objectives' order; some may have no requests."""
        return [str(group) for group in self.requests.labels.groups]

    @property
    def run_and_group(self) -> Ints:
        """The run and group of each sample as one index, run by run."""
        return self.requests.level * len(self.groups) + self.requests.group

    @cached_property
    def counts(self) -> pd.DataFrame:
        """One row per run and group, for groups that have requests at the run's level in any run.

        Columns: those of `runs`, group, at (run and group as one index), ok, failed, wire (whether nearly all of its
        successful requests have a wire time).
        """
        groups = self.groups
        size = len(self.runs) * len(groups)
        ok, failed = count_requests(self.requests.samples, self.run_and_group, size)
        counts = self.runs.loc[np.repeat(np.arange(len(self.runs)), len(groups))].reset_index(drop=True)
        counts["group"] = pd.Series(groups * len(self.runs), dtype="str")
        counts["at"] = np.arange(size)
        counts["ok"], counts["failed"] = ok, failed
        counts["wire"] = wire_cells(self.requests.samples, self.run_and_group, size)
        requests = (counts["ok"] + counts["failed"]).groupby([counts["level"], counts["group"]]).transform("sum")
        return counts[requests > 0].reset_index(drop=True)

    @cached_property
    def used_counts(self) -> Mapping[Cell, pd.DataFrame]:
        """The rows of `counts` for each cell, of the runs that count, ordered by repeat."""
        used = self.counts[self.counts["used"]].sort_values("repeat", kind="stable")
        cells: Any = used.groupby(["level", "group"])
        return dict(iter(cells))

    @cached_property
    def wire(self) -> dict[Cell, bool]:
        """Whether each cell's latency is available on the wire clock in all of its runs that count."""
        answered = {cell: counts[counts["ok"] > 0] for cell, counts in self.used_counts.items()}
        return {cell: bool(counts["wire"].all()) for cell, counts in answered.items() if len(counts)}

    def sort_by_run(self, wire: Mapping[Cell, bool]) -> tuple[SortedSamples, pd.Categorical[str]]:
        """Return the samples of each run and group to compare, and their clocks, both indexed by `at` of `counts`."""
        by_wire = np.zeros(len(self.runs) * len(self.groups), "bool")
        cells = zip(self.counts["level"], self.counts["group"], strict=True)
        by_wire[self.counts["at"]] = [wire.get(cell, False) for cell in cells]
        samples, at = self.requests.samples, self.run_and_group
        return sort_judged(samples, at, len(by_wire), by_wire), clocks(samples, at, by_wire)

    def number_cells(self, cells: Sequence[Cell]) -> Ints:
        """Return the index in `cells` of each run and group; -1 if it is in none of them, or the run doesn't count."""
        indices = np.full(len(self.runs) * len(self.groups), -1, "int64")
        for index, cell in enumerate(cells):
            indices[self.used_counts[cell]["at"]] = index
        return indices


def common_levels(baseline: Side, candidate: Side) -> list[Level]:
    """Return the levels at which both sides have a run that counts."""
    used = [{level for level, _ in side.used_runs} for side in (baseline, candidate)]
    return sorted(used[0] & used[1])


def group_order(baseline: Side, candidate: Side) -> list[str]:
    """Return the groups of both sides, the baseline's first."""
    return list(dict.fromkeys([*baseline.groups, *candidate.groups]))


def common_cells(baseline: Side, candidate: Side) -> list[Cell]:
    """Return the cells in which both sides have requests, in runs that count."""

    def has_requests(side: Side, cell: Cell) -> bool:
        counts = side.used_counts.get(cell)
        return counts is not None and bool((counts["ok"] + counts["failed"]).any())

    cells = itertools.product(common_levels(baseline, candidate), group_order(baseline, candidate))
    return [cell for cell in cells if has_requests(baseline, cell) and has_requests(candidate, cell)]


def cell_clocks(baseline: Side, candidate: Side) -> dict[Cell, bool]:
    """Return whether each cell is compared on the wire clock: if both sides can be, else both on the client clock."""
    cells = dict.fromkeys([*baseline.wire, *candidate.wire])
    return {cell: baseline.wire.get(cell, True) and candidate.wire.get(cell, True) for cell in cells}
