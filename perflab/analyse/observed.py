"""What was observed of the requests that an objective speaks of, second by second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from perflab.analyse.assemble import endpoint_codes
from perflab.analyse.bounds import Timed, by_second
from perflab.analyse.judge import Observed
from perflab.analyse.partition import clocks_of_rows, judged_latencies
from perflab.analyse.summary import Bools, Floats, Ints, Samples, clocks, judged_requests, wire_cells
from perflab.objectives import Objective, any_matches


@dataclass(frozen=True, slots=True)
class Level:
    """The samples of one level's steady seconds, which are numbered over all of its runs; `lengths` are the runs'."""

    samples: Samples
    second: Ints
    endpoint: Ints
    group: Ints
    lengths: tuple[int, ...]

    def observed(self, chosen: Bools) -> Observed:
        """Return what was observed of the chosen samples, which are judged by one clock."""
        samples, second = self.samples[chosen], self.second[chosen]
        cell = np.zeros(len(second), "int64")
        wire = wire_cells(samples, cell, 1)
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
    """What was observed at each level of a sweep, by objective.

    `latency` is ``Sweep.latency``; `windows` are the judged seconds of each of its runs, which may be none, and
    `users` the runs' levels.
    """

    def __init__(self, latency: pd.DataFrame, users: Sequence[int], windows: Sequence[range]) -> None:
        self._latency, self._users, self._windows = latency, users, windows
        self._groups = latency["group"].cat.categories
        self._endpoint, self._endpoints = endpoint_codes(latency)
        self._clock, self._known = clocks_of_rows(latency, np.ones(len(latency), "bool"))
        # One level is asked for after the other.
        self._level = lru_cache(maxsize=1)(self._of_level)

    def of(self, users: int, objective: Objective) -> Observed:
        """Return what was observed at a level of the requests that an objective speaks of."""
        level = self._level(users)
        group = int(self._groups.get_indexer(pd.Index([objective.group], dtype="str"))[0])
        chosen = level.group == group
        if objective.endpoints:
            named = [any_matches(objective.endpoints, *endpoint) for endpoint in self._endpoints]
            chosen &= np.array(named, "bool")[level.endpoint]
        return level.observed(chosen)

    def _of_level(self, users: int) -> Level:
        rows = self._latency
        of_level = [at for at, level in enumerate(self._users) if level == users and self._windows[at]]
        lengths = tuple(len(self._windows[at]) for at in of_level)
        # Where each run's seconds begin among those of the level; a run that is not judged has none.
        shift = np.full(len(self._windows) + 1, -1, "int64")
        shift[of_level] = np.concatenate(([0], np.cumsum(lengths)[:-1])) if lengths else []
        start = np.array([window.start for window in self._windows] + [0], "int64")
        run = rows["run"].cat.codes.to_numpy()
        chosen = np.flatnonzero(self._known & rows["steady"].to_numpy() & (shift[run] >= 0))
        run = run[chosen]
        samples = Samples(
            (rows["outcome"] == "ok").to_numpy()[chosen],
            self._clock[chosen],
            judged_latencies(rows)[chosen],
            rows["count"].to_numpy()[chosen],
        )
        second = rows["second"].to_numpy("int64")[chosen] - start[run] + shift[run]
        group = rows["group"].cat.codes.to_numpy().astype("int64")[chosen]
        return Level(samples, second, self._endpoint[chosen], group, lengths)
