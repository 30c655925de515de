"""The samples of a sweep's ``latency.csv`` files, as codes.

Millions of rows have few different labels, and not many seconds. Rows that differ in nothing but their latency and
count are therefore of one *kind*: nearly all that is asked of samples is asked of their kinds, and only for percentiles
are the rows gone through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from perflab.analyse.summary import (
    CLOCK_OF,
    Bools,
    Codes,
    Floats,
    Ints,
    Samples,
    judged_requests,
    numbered,
    summed,
    wire_cells,
)
from perflab.plan.objectives import Objectives
from perflab.vocabulary.measure import role_of

Endpoint = tuple[str, str]
"""Method and name."""
UNANSWERED = "unanswered"

OTHER, ALL = "other", "all"
"""Groups of endpoints that belong to no group: where there are groups, and where there are none."""


class Series(NamedTuple):
    """What samples have in common but for their time and latency."""

    source: str
    method: str
    name: str
    outcome: str
    measure: str


@dataclass(frozen=True)
class Labels:
    """All series of a sweep, with the group of each endpoint; attributes are arrays with a value per series."""

    series: Sequence[Series]
    objectives: Objectives

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints by their number."""
        return sorted({(series.method, series.name) for series in self.series})

    @cached_property
    def endpoint(self) -> Ints:
        """The number of its endpoint."""
        numbers = {endpoint: number for number, endpoint in enumerate(self.endpoints)}
        return self._array((numbers[series.method, series.name] for series in self.series), "int64")

    @cached_property
    def groups(self) -> pd.Index[str]:
        """The groups in the objectives' order, and that of all others."""
        return groups_of(self.objectives)

    @cached_property
    def group_of(self) -> Ints:
        """The number of each endpoint's group."""
        return group_numbers(self.endpoints, self.objectives)

    @cached_property
    def group(self) -> Ints:
        """The number of its group."""
        return self.group_of[self.endpoint]

    @cached_property
    def ok(self) -> Bools:
        """Whether its requests succeeded."""
        return self._array((series.outcome == "ok" for series in self.series), "bool")

    @cached_property
    def unanswered(self) -> Bools:
        """Whether its requests never came back."""
        return self._array((series.outcome == UNANSWERED for series in self.series), "bool")

    @cached_property
    def clock(self) -> Codes:
        """Whose clock its latencies are by."""
        return self._array((CLOCK_OF[role_of(series.measure)] for series in self.series), "int8")

    def _array(self, values: Iterable[Any], dtype: str) -> np.ndarray[Any, Any]:
        return np.fromiter(values, dtype, len(self.series))


def groups_of(objectives: Objectives) -> pd.Index[str]:
    """Return the groups in the objectives' order, and that of all other endpoints."""
    groups = [group.name for group in objectives.groups]
    return pd.Index(list(dict.fromkeys([*groups, OTHER if groups else ALL])), dtype="str")


def group_numbers(endpoints: Iterable[Endpoint], objectives: Objectives) -> Ints:
    """Return the number of each endpoint's group among `groups_of`."""
    groups = groups_of(objectives).tolist()
    numbers = {group: number for number, group in enumerate(groups)}
    rest = OTHER if objectives.groups else ALL
    return np.array([numbers[objectives.group_of(*endpoint) or rest] for endpoint in endpoints], "int64")


@dataclass(frozen=True)
class Recorded:
    """The samples of some runs.

    `run` (a number), `second` and `series` have a value per kind, run after run; so have `kinds`, all samples of a kind
    as one: its latency is 0, or NaN where requests have none, or infinite where they have no answer. `kind`, `latency`
    (its place in `latencies`) and `count` have a value per row. `row_ends` are where the rows of each run end.
    `latencies` are in ms, ascending; if requests have none, the last is NaN.
    """

    labels: Labels
    latencies: Floats
    run: Ints
    second: Ints
    series: Ints
    kinds: Samples
    kind: Ints
    latency: Ints
    count: Ints
    row_ends: Sequence[int]

    @cached_property
    def endpoint(self) -> Ints:
        """The number of each kind's endpoint."""
        return self.labels.endpoint[self.series]

    @cached_property
    def group(self) -> Ints:
        """The number of each kind's group."""
        return self.labels.group[self.series]

    def of_runs(self, *runs: int) -> Recorded:
        """Return the samples of these runs only, in ascending order; they keep their numbers."""
        where = list(self._by_run())
        kinds, rows = [where[run][0] for run in runs], [where[run][1] for run in runs]
        begins = np.cumsum([0, *(kind.stop - kind.start for kind in kinds)]).tolist()
        ends = np.zeros(len(self.row_ends), "int64")
        ends[list(runs)] = [row.stop - row.start for row in rows]

        def chosen(values: Any, parts: Sequence[slice]) -> Any:
            # Of one run nothing is copied.
            if len(parts) == 1:
                return values[parts[0]]
            return np.concatenate([values[:0], *(values[part] for part in parts)])

        shifts = [np.int32(begin - kind.start) for begin, kind in zip(begins, kinds, strict=False)]
        return replace(
            self,
            run=chosen(self.run, kinds),
            second=chosen(self.second, kinds),
            series=chosen(self.series, kinds),
            kinds=Samples(*(chosen(values, kinds) for values in self.kinds.columns())),
            kind=np.concatenate(
                [self.kind[:0], *(self.kind[row] + shift for row, shift in zip(rows, shifts, strict=True))]
            ),
            latency=chosen(self.latency, rows),
            count=chosen(self.count, rows),
            row_ends=np.cumsum(ends).tolist(),
        )

    def grouped(self, objectives: Objectives) -> Recorded:
        """Return the same samples with the groups of other objectives."""
        return replace(self, labels=Labels(self.labels.series, objectives))

    def within(self, windows: Sequence[range]) -> Bools:
        """Return which kinds are of requests that began in the window of their run."""
        bounds = np.array([(window.start, window.stop) for window in windows], "int64").reshape(-1, 2)
        within: Bools = (self.second >= bounds[self.run, 0]) & (self.second < bounds[self.run, 1])
        return within

    def judged(self, cell: Ints, cells: int, within: Bools) -> Bools:
        """Return which kinds `within` hold the latency of successful requests, by the clock of the cell of each."""
        wire = wire_cells(self.kinds[within], cell[within], cells)
        return within & judged_requests(self.kinds, cell, wire) & self.kinds.ok

    def rows(self, kinds: Bools) -> Ints:
        """Return the rows of some kinds."""
        return np.flatnonzero(kinds[self.kind])

    def latency_ms(self, rows: Ints) -> Floats:
        """Return the latency of each row: that of an unanswered request, which waited in vain, is infinite."""
        return self._with_infinite[self._places(self.kind[rows], self.latency[rows], self.kinds.unanswered)]

    def by_second(self, rows: Ints, second: Ints) -> tuple[Ints, Floats, Ints]:
        """Return the second, the latency and the count of rows, equal ones as one; `second` is that of each kind."""
        kind, places = self.kind[rows], len(self._with_infinite)
        of_row, place, count = (
            second[kind],
            self._places(kind, self.latency[rows], self.kinds.unanswered),
            self.count[rows],
        )
        size = (int(second.max(initial=0)) + 1) * places
        # Where hardly any are equal it is only costly.
        if size <= 4 * len(rows):
            keys, count = summed(of_row * places + place, count, size)
            of_row, place = np.divmod(keys, places)
        return of_row, self._with_infinite[place], count

    @property
    def _with_infinite(self) -> Floats:
        return np.append(self.latencies, np.inf)

    def _places(self, kind: Ints, latency: Ints, unanswered: Bools) -> Ints:
        """Return the place of the latency of rows: behind all others if nobody has answered."""
        return np.where(unanswered[kind], len(self.latencies), latency) if unanswered.any() else latency

    def merged(self, cell: Ints, chosen: Bools) -> tuple[Samples, Ints]:
        """Return the samples of the chosen kinds, equal ones of a run and cell as one, and the cell of each.

        `cell` is the number of each kind's cell.
        """
        kinds, places = self.kinds, len(self.latencies) + 1
        # What is not chosen is summed up too, in a state of its own: that is cheaper than to leave out its rows.
        state = np.where(chosen & (kinds.clock >= 0), (cell * 2 + kinds.ok) * 3 + kinds.clock + 1, 0)
        parts: list[tuple[Ints, Ints, Ints]] = []
        for of_kind, of_row in self._by_run():
            number, states = numbered(state[of_kind], int(state.max(initial=0)) + 1)
            kind = self.kind[of_row] - of_kind.start
            place = self._places(kind, self.latency[of_row], kinds.unanswered[of_kind])
            keys, count = summed((number * places)[kind] + place, self.count[of_row], len(states) * places)
            of_state, place = states[keys // places] - 1, keys % places
            known = of_state >= 0
            parts.append((of_state[known], place[known], count[known]))
        state, place, count = (np.concatenate([np.zeros(0, "int64"), *(part[at] for part in parts)]) for at in range(3))
        return Samples(state // 3 % 2 == 1, (state % 3).astype("int8"), self._with_infinite[place], count), state // 6

    def _by_run(self) -> Iterator[tuple[slice, slice]]:
        """Yield where the kinds and the rows of each run are."""
        kinds = np.searchsorted(self.run, np.arange(len(self.row_ends) + 1)).tolist()
        for of_kind, of_row in zip(pairwise(kinds), pairwise([0, *self.row_ends]), strict=True):
            yield slice(*of_kind), slice(*of_row)

    def columns(self) -> dict[str, Any]:
        """Return the columns of ``latency.csv`` with the group of each row, but for `second` of texts as categories."""
        series = self.series[self.kind]
        columns: dict[str, Any] = {"second": self.second[self.kind].astype("int32")}
        for at, name in enumerate(Series._fields):
            texts = pd.Categorical(pd.Index([one[at] for one in self.labels.series], dtype="str"))
            columns[name] = pd.Categorical.from_codes(texts.codes[series], dtype=texts.dtype)
            if name == "name":
                group = self.labels.group.astype("int8" if len(self.labels.groups) < 127 else "int64")
                columns["group"] = pd.Categorical.from_codes(group[series], categories=self.labels.groups)
        columns["latency_ms"] = self.latencies[self.latency]
        columns["count"] = self.count.astype("int64")
        return columns
