"""What was observed of the requests that an objective speaks of, second by second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from perflab.analyse.assemble import endpoint_codes
from perflab.analyse.bounds import Timed, by_second
from perflab.analyse.clocks import row_clocks
from perflab.analyse.judge import Observed
from perflab.analyse.partition import judged_latencies
from perflab.analyse.summary import Bools, Floats, Ints, Samples, clocks, judged_requests, wire_cells
from perflab.plan.objectives import Objective, any_matches
from perflab.vocabulary.text import one_line

# As many and as long as a message bears.
MOST_NAMES_SHOWN = 8
LONGEST_NAME_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Level:
    """The samples of one level's steady seconds, which are numbered over all of its runs; `lengths` are the runs'."""

    samples: Samples
    second: Ints
    endpoint: Ints
    group: Ints
    lengths: tuple[int, ...]

    def observed(self, chosen: Bools, by_wire: bool | None = None) -> Observed:
        """Return what was observed of the chosen samples: by the wire clock, by the client's, or by what they have."""
        samples, second = self.samples[chosen], self.second[chosen]
        cell = np.zeros(len(second), "int64")
        wire = wire_cells(samples, cell, 1) if by_wire is None else np.array([by_wire])
        [clock] = clocks(samples, cell, wire)
        judged = judged_requests(samples, cell, wire)
        ok, failed = (
            self._total(second, samples, samples.by_client & (samples.ok == succeeded)) for succeeded in (True, False)
        )
        latency = Timed(second[judged], samples.latency_ms[judged], samples.count[judged], self.lengths)
        return Observed(ok, failed, latency, str(clock))

    def _total(self, second: Ints, samples: Samples, chosen: Bools) -> Floats:
        return by_second(second[chosen], samples.count[chosen], sum(self.lengths))


class Observations:
    """What was observed at each level of a sweep, by group or objective.

    `latency` is ``Sweep.latency``; `windows` are the judged seconds of each of its runs, which may be none, and
    `levels` the runs' levels: their users, or anything else that tells which runs are pooled.
    """

    def __init__(self, latency: pd.DataFrame, levels: Sequence[int], windows: Sequence[range]) -> None:
        self._latency, self._levels, self._windows = latency, levels, windows
        self._groups = latency["group"].cat.categories
        self._endpoint, self._endpoints = endpoint_codes(latency)
        self._clock = row_clocks(latency)
        self._known = self._clock >= 0
        # One level is asked for after the other, and within it one group.
        self._level = lru_cache(maxsize=1)(self._of_level)
        self._some = lru_cache(maxsize=2)(self._of_some)

    def of(self, level: int, objective: Objective) -> Observed:
        """Return what was observed at a level of the requests that an objective speaks of."""
        return self._some(level, objective.group, objective.endpoints)

    def _of_some(self, level: int, group: str, patterns: tuple[str, ...]) -> Observed:
        found = self._level(level)
        chosen = self._of_group(found, group)
        if patterns:
            named = [any_matches(patterns, *endpoint) for endpoint in self._endpoints]
            chosen &= np.array(named, "bool")[found.endpoint]
        observed = found.observed(chosen)
        return observed if observed.requests else replace(observed, instead=self._seen(found))

    def _seen(self, level: Level) -> str:
        """Say which names a level has requests of, the most frequent first, each with its group."""
        counted = level.samples.by_client
        totals = np.bincount(level.endpoint[counted], weights=level.samples.count[counted])
        group_of = dict(zip(level.endpoint.tolist(), level.group.tolist(), strict=True))
        ordered = [at for at in np.argsort(-totals, kind="stable").tolist() if totals[at]]
        names = [
            f"{one_line(' '.join(self._endpoints[at]), LONGEST_NAME_SHOWN)} [{self._groups[group_of[at]]}]"
            for at in ordered[:MOST_NAMES_SHOWN]
        ]
        more = len(ordered) - len(names)
        return f"seen were {', '.join(names)}{f' and {more} more' if more else ''}" if names else ""

    def of_group(self, level: int, group: str | None, by_wire: bool | None = None) -> Observed:
        """Return what was observed at a level of a group's requests, or of all; `by_wire` as in `Level.observed`."""
        found = self._level(level)
        every = np.ones(len(found.group), "bool")
        return found.observed(every if group is None else self._of_group(found, group), by_wire)

    def _of_group(self, level: Level, group: str) -> Bools:
        chosen: Bools = level.group == int(self._groups.get_indexer(pd.Index([group], dtype="str"))[0])
        return chosen

    def _of_level(self, level: int) -> Level:
        rows = self._latency
        of_level = [at for at, one in enumerate(self._levels) if one == level and self._windows[at]]
        lengths = tuple(len(self._windows[at]) for at in of_level)
        # Where each run's seconds begin among those of the level; a run that is not judged has none.
        shift = np.full(len(self._windows) + 1, -1, "int64")
        shift[of_level] = np.concatenate(([0], np.cumsum(lengths)[:-1])) if lengths else []
        start, stop = np.array([(window.start, window.stop) for window in self._windows] + [(0, 0)], "int64").T
        run, second = rows["run"].cat.codes.to_numpy(), rows["second"].to_numpy()
        chosen = np.flatnonzero(self._known & (second >= start[run]) & (second < stop[run]) & (shift[run] >= 0))
        run = run[chosen]
        samples = Samples(
            (rows["outcome"] == "ok").to_numpy()[chosen],
            self._clock[chosen],
            judged_latencies(rows)[chosen],
            rows["count"].to_numpy()[chosen],
        )
        group = rows["group"].cat.codes.to_numpy().astype("int64")[chosen]
        return Level(samples, second[chosen] - start[run] + shift[run], self._endpoint[chosen], group, lengths)
