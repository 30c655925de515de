"""What was observed of the requests that an objective speaks of, second by second."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from perflab.analyse.bounds import Timed, by_second
from perflab.analyse.samples import Recorded
from perflab.analyse.summary import Bools, Floats, Ints, clocks, judged_requests, wire_cells
from perflab.plan.objectives import Objective, any_matches
from perflab.vocabulary.text import one_line

# As many and as long as a message bears.
MAX_NAMES_SHOWN = 8
MAX_NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Observed:
    """One group at one level: successful and failed requests second by second, over the steady seconds of its runs.

    Latencies are those of the judged requests, with the same seconds.
    """

    ok: Floats
    failed: Floats
    latency: Timed
    clock: str = "client"
    """Whose time the latencies are: wire, client, or wire and client."""
    instead: str = ""
    """Where there is no request: the names that were seen instead, for a message; empty where none was."""

    @property
    def requests(self) -> int:
        """Successful and failed requests."""
        return round(float(self.ok.sum() + self.failed.sum()))

    @property
    def seconds(self) -> int:
        """The steady seconds of all runs together."""
        return sum(self.latency.lengths)


@dataclass(frozen=True, slots=True)
class _Pooled:
    """The samples of one level, of its judged seconds if they are `within` them.

    `second` numbers these over all of its runs, of which `lengths` are the seconds.
    """

    recorded: Recorded
    within: Bools
    second: Ints
    lengths: tuple[int, ...]

    def observed(self, chosen: Bools, by_wire: bool | None = None) -> Observed:
        """Return what was observed of the chosen kinds: by the wire clock, by the client's, or by what they have."""
        recorded = self.recorded
        places = np.flatnonzero(chosen & self.within & (recorded.kinds.clock >= 0))
        kinds, cell, second = recorded.kinds[places], np.zeros(len(places), "int64"), self.second[places]
        wire = wire_cells(kinds, cell, 1) if by_wire is None else np.array([by_wire])
        [clock] = clocks(kinds, cell, wire)
        judged = np.zeros(len(recorded.second), "bool")
        judged[places] = judged_requests(kinds, cell, wire)
        rows = recorded.rows(judged)
        ok, failed = (
            by_second(second[counted], kinds.count[counted], sum(self.lengths))
            for counted in (kinds.by_client & kinds.ok, kinds.by_client & ~kinds.ok)
        )
        second, latency_ms, count = recorded.by_second(rows, self.second)
        return Observed(ok, failed, Timed(second, latency_ms, count, self.lengths), str(clock))


class Observations:
    """What was observed at each level of a sweep, by group or objective.

    `windows` are the judged seconds of each of its runs, which may be none, and `levels` the runs' levels, or anything
    else that tells which runs are pooled.
    """

    def __init__(self, recorded: Recorded, levels: Sequence[Hashable], windows: Sequence[range]) -> None:
        self._recorded, self._levels, self._windows = recorded, levels, windows
        self._groups = recorded.labels.groups.tolist()
        # One level is asked for after the other, and within it one group.
        self._level = lru_cache(maxsize=1)(self._of_level)
        self._some = lru_cache(maxsize=2)(self._of_some)

    def of(self, level: Hashable, objective: Objective) -> Observed:
        """Return what was observed at a level of the requests that an objective speaks of."""
        return self._some(level, objective.group, objective.endpoints)

    def of_group(self, level: Hashable, group: str | None, by_wire: bool | None = None) -> Observed:
        """Return what was observed at a level of a group's requests, or of all; `by_wire` as in `observed`."""
        pooled = self._level(level)
        return pooled.observed(pooled.within if group is None else self._of_group(pooled, group), by_wire)

    def _of_some(self, level: Hashable, group: str, patterns: tuple[str, ...]) -> Observed:
        pooled = self._level(level)
        chosen = self._of_group(pooled, group)
        if patterns:
            named = [any_matches(patterns, *endpoint) for endpoint in self._recorded.labels.endpoints]
            chosen &= np.array(named, "bool")[pooled.recorded.endpoint]
        observed = pooled.observed(chosen)
        return observed if observed.requests else replace(observed, instead=self._seen(pooled))

    def _of_group(self, pooled: _Pooled, group: str) -> Bools:
        number = self._groups.index(group) if group in self._groups else -1
        chosen: Bools = pooled.recorded.group == number
        return chosen

    def _seen(self, pooled: _Pooled) -> str:
        """Say which names a level has requests of, the most frequent first, each with its group."""
        labels, counted = self._recorded.labels, pooled.within & pooled.recorded.kinds.by_client
        totals = np.bincount(
            pooled.recorded.endpoint[counted], pooled.recorded.kinds.count[counted], len(labels.endpoints)
        )
        ordered = [at for at in np.argsort(-totals, kind="stable").tolist() if totals[at]]
        names = [
            f"{one_line(' '.join(labels.endpoints[at]), MAX_NAME_LENGTH)} [{self._groups[labels.group_of[at]]}]"
            for at in ordered[:MAX_NAMES_SHOWN]
        ]
        more = len(ordered) - len(names)
        return f"seen were {', '.join(names)}{f' and {more} more' if more else ''}" if names else ""

    def _of_level(self, level: Hashable) -> _Pooled:
        runs = [at for at, of_run in enumerate(self._levels) if of_run == level and self._windows[at]]
        recorded = self._recorded.of_runs(*runs)
        lengths = tuple(len(self._windows[at]) for at in runs)
        # Where each run's seconds begin among those of the level.
        begins = np.zeros(len(self._windows), "int64")
        begins[runs] = np.cumsum([0, *lengths[:-1]]) if runs else []
        start = np.array([window.start for window in self._windows], "int64")
        second = recorded.second - start[recorded.run] + begins[recorded.run]
        return _Pooled(recorded, recorded.within(self._windows), second, lengths)
