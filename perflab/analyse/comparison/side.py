"""One side of a comparison: a sweep's requests by run and group, and which of its runs count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from perflab.analyse.observed import Observations
from perflab.analyse.partition import Steady
from perflab.analyse.samples import Recorded
from perflab.analyse.summary import Ints, count_requests, wire_cells
from perflab.analyse.sweep import Sweep
from perflab.analyse.window import whole_seconds
from perflab.plan.objectives import Objectives

# A cell is one user count and one group.
Cell = tuple[int, str]
NOT_COMPARED = "not of the rounds that are compared"
# More runs left out than this share of a side's runs at a user count, and the rest is a selection.
MOST_LEFT_OUT = 0.2


@dataclass(frozen=True)
class Side:
    """A sweep as one side of a comparison, `name` baseline or candidate.

    `samples` are the sweep's, with the groups of the comparison. `requests` holds those of each run's window, each
    run a level of its own. `why` tells of each run why it does not count; it is empty where it does.
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
        manifests = self.sweep.run_manifests
        left_out = [
            one or (why if (run.users, run.repeat) in runs else "")
            for one, run in zip(self.why, manifests, strict=True)
        ]
        return replace(self, why=left_out)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run: users, repeat, place (among all runs), run, seconds, used, why."""
        manifests = self.sweep.run_manifests
        return pd.DataFrame(
            {
                "users": np.array([run.users for run in manifests], "int64"),
                "repeat": np.array([run.repeat for run in manifests], "int64"),
                "place": np.arange(len(manifests)),
                "run": self.sweep.runs["run"].astype("str"),
                "seconds": self.requests.seconds,
                "used": np.array([not one for one in self.why], "bool"),
                "why": pd.Series(list(self.why), dtype="str"),
            }
        )

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
        """A row a run and group that has requests at the run's user count.

        Columns: those of `runs`, group, at (run and group as one number), ok, failed, wire (whether nearly all of its
        successful requests have a wire time).
        """
        groups = self.groups
        number = len(self.runs) * len(groups)
        ok, failed = count_requests(self.requests.samples, self.run_and_group, number)
        frame = self.runs.loc[np.repeat(np.arange(len(self.runs)), len(groups))].reset_index(drop=True)
        frame["group"] = pd.Series(groups * len(self.runs), dtype="str")
        frame["at"] = np.arange(number)
        frame["ok"], frame["failed"] = ok, failed
        frame["wire"] = wire_cells(self.requests.samples, self.run_and_group, number)
        requests = (frame["ok"] + frame["failed"]).groupby([frame["users"], frame["group"]]).transform("sum")
        return frame[requests > 0].reset_index(drop=True)

    @cached_property
    def wire(self) -> dict[Cell, bool]:
        """Whether the latency of each cell can be read from the wire clock in all of its runs that count."""
        answered = self.counts[self.counts["used"] & (self.counts["ok"] > 0)]
        by_cell = answered.groupby(["users", "group"])["wire"].all()
        cells = by_cell.reset_index()
        keys = zip(cells["users"].tolist(), cells["group"].tolist(), strict=True)
        return dict(zip(keys, cells["wire"].tolist(), strict=True))


def common_levels(baseline: Side, candidate: Side) -> list[int]:
    """Return the user counts of which both sides have a run that counts."""
    used = [{*side.runs.loc[side.runs["used"], "users"].tolist()} for side in (baseline, candidate)]
    return sorted(used[0] & used[1])


def group_order(baseline: Side, candidate: Side) -> list[str]:
    """Return the groups of both sides, the baseline's first."""
    return list(dict.fromkeys([*baseline.groups, *candidate.groups]))


def common_cells(baseline: Side, candidate: Side) -> Iterator[Cell]:
    """Yield the cells that both sides have requests of, in runs that count."""
    cells = []
    for side in (baseline, candidate):
        made = side.counts[side.counts["used"] & (side.counts["ok"] + side.counts["failed"] > 0)]
        cells.append(set(zip(made["users"].tolist(), made["group"].tolist(), strict=True)))
    for users in common_levels(baseline, candidate):
        for group in group_order(baseline, candidate):
            if (users, group) in cells[0] & cells[1]:
                yield users, group


def too_many_left_out(sides: Iterable[Side]) -> Iterator[str]:
    """Yield a line for each side and user count of which so many runs can't be used that the rest is a selection."""
    for side in sides:
        for users, runs in side.runs[side.runs["why"] != NOT_COMPARED].groupby("users"):
            left_out = runs[~runs["used"]]
            if len(left_out) > MOST_LEFT_OUT * len(runs):
                run, why = left_out[["run", "why"]].iloc[0]
                yield f"{side.name} at {users} users: {len(left_out)} of {len(runs)} runs can't be used ({run}: {why})"


def levels_gone(baseline: Side, candidate: Side) -> Iterator[str]:
    """Yield a line for each user count that only the baseline has runs at."""
    yield from (f"{users} users: only the baseline has runs" for users in _only(baseline, candidate))


def left_out(baseline: Side, candidate: Side) -> Iterator[str]:
    """Yield which runs do not count, and which user counts there is nothing to compare with, one line each."""
    yield from (f"{users} users: only the candidate has runs" for users in _only(candidate, baseline))
    for side in (baseline, candidate):
        runs = side.runs[~side.runs["used"] & (side.runs["why"] != NOT_COMPARED)]
        yield from (f"{row.run} of the {side.name} is left out: {row.why}" for row in runs.itertuples())


def never_steady(sides: Iterable[Side]) -> Iterator[str]:
    """Yield a line for each side of which runs count that never became steady: their latency is of no one state."""
    for side in sides:
        used = side.runs["used"]
        found = [
            (run, why) for run, one, why in zip(side.runs["run"], used, side.sweep.unsteady, strict=True) if one and why
        ]
        if found:
            (run, why), share = found[0], f"{len(found)} of {used.sum()} runs of the {side.name}"
            yield f"{share} never became steady and count all the same, which widens the intervals ({run}: {why})"


def _only(side: Side, other: Side) -> list[int]:
    return sorted({*side.runs["users"]} - {*other.runs["users"]})
