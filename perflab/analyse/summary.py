"""Weighted latency samples to exact percentiles and counts, for any partition of the samples into cells.

A cell is whatever is summarised together: a level, a (level, group), a (run, second, group). The samples of all
cells are sorted once; a percentile is then a lookup in the running count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from perflab.vocabulary.measure import Role, goes_by_wire
from perflab.vocabulary.metric import PERCENTILES

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Ints: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]
Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int8]]
Bools: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

# The codes of `Samples.clock`; a phase of a request, such as connecting, goes by none.
NO_CLOCK, CLIENT, WIRE, FALLBACK = range(-1, 3)
CLOCK_OF = {Role.COUNTS: CLIENT, Role.STAMPED: WIRE, Role.FALLBACK: FALLBACK, Role.PHASE: NO_CLOCK}

_CLOCKS = pd.Index(["client", "wire", "wire and client"], dtype="str")


@dataclass(frozen=True, slots=True)
class Distribution:
    """The samples of one cell: latencies in ms, ascending, each with the number of samples up to and with it."""

    values: Floats
    cumulative: Ints

    @property
    def samples(self) -> int:
        """The number of samples."""
        return int(self.cumulative[-1]) if len(self.cumulative) else 0

    def at_rank(self, rank: int) -> float:
        """Return the latency of the sample with this rank; 1 is the smallest."""
        return float(self.values[np.searchsorted(self.cumulative, rank)])

    def percentile(self, q: float) -> float:
        """Return the smallest latency that at least the share `q` of the samples does not exceed; NaN if none."""
        return self.at_rank(int(_ranks(self.samples, q))) if self.samples else float("nan")

    def within(self, limit_ms: float) -> int:
        """Return how many samples do not exceed a limit."""
        index = int(np.searchsorted(self.values, limit_ms, side="right"))
        return int(self.cumulative[index - 1]) if index else 0


class SortedSamples:
    """Weighted samples of `cells` cells, sorted by cell, then latency."""

    def __init__(self, cell: Ints, latency_ms: Floats, count: Ints, cells: int) -> None:
        place, values = pd.factorize(latency_ms, sort=True, use_na_sentinel=False)
        self._sort(cell, place, values, count, cells)

    @classmethod
    def of_places(cls, cell: Ints, place: Ints, values: Floats, count: Ints, cells: int) -> SortedSamples:
        """Return samples whose latency is given by its place among ascending `values`."""
        self = cls.__new__(cls)
        self._sort(cell, place, values, count, cells)
        return self

    def _sort(self, cell: Ints, place: Ints, values: Floats, count: Ints, cells: int) -> None:
        # Latencies come in buckets: many samples of a cell are equal, and few enough are left to be sorted.
        keys, counts = summed(cell * len(values) + place, count, cells * len(values))
        self._values = values[keys % max(len(values), 1)]
        self._running = np.cumsum(counts)
        self._ends = np.searchsorted(keys, np.arange(1, cells + 1) * len(values))
        running = np.concatenate(([0], self._running))
        self._before = running[np.concatenate(([0], self._ends[:-1]))] if cells else np.zeros(0, "int64")
        self.samples: Ints = running[self._ends] - self._before

    def percentile(self, q: float) -> Floats:
        """Return the percentile `q`, a fraction, of every cell in ms; NaN for a cell without samples."""
        filled = self.samples > 0
        result = np.full(len(self.samples), np.nan)
        ranks = self._before[filled] + _ranks(self.samples[filled], q)
        result[filled] = self._values[np.searchsorted(self._running, ranks)]
        return result

    def cell(self, index: int) -> Distribution:
        """Return the samples of one cell."""
        start = self._ends[index - 1] if index else 0
        part = slice(start, self._ends[index])
        return Distribution(self._values[part], self._running[part] - self._before[index])


def summed(key: Ints, count: Ints, size: int) -> tuple[Ints, Ints]:
    """Return the keys that occur, ascending, with the sum of the counts of each, which are none of them 0.

    Keys are whole numbers below `size`.
    """
    if _is_sparse(key, size):
        number, keys = numbered(key, size)
        return keys, np.bincount(number, weights=count).astype("int64")
    sums = np.bincount(key, weights=count, minlength=size)
    keys = np.flatnonzero(sums)
    return keys, sums[keys].astype("int64")


def _is_sparse(key: Ints, size: int) -> bool:
    return size > 4 * len(key) + 100_000


def numbered(key: Ints, size: int) -> tuple[Ints, Ints]:
    """Return each key's number among those that occur, and these, ascending; keys are whole numbers below `size`."""
    if _is_sparse(key, size):
        keys, number = np.unique(key, return_inverse=True)
        return number, keys
    occurs = np.zeros(size, "bool")
    occurs[key] = True
    return (np.cumsum(occurs) - 1)[key], np.flatnonzero(occurs)


def _ranks(samples: Ints | int, q: float) -> Ints:
    # Rounded first: 0.07 * 100 is 7.000000000000001 in floating point, and its ceiling 8.
    return np.maximum(np.ceil(np.round(np.multiply(samples, q), 6)), 1).astype("int64")


@dataclass(frozen=True, slots=True)
class Samples:
    """Weighted samples as parallel columns. Each request is a client sample; a successful one that the recorder knows
    the wire time of is a wire sample too, else it has a fallback. An unanswered request takes for ever, and the latency
    of one whose event had none is NaN: it is counted, and no more."""

    ok: Bools
    clock: Codes
    latency_ms: Floats
    count: Ints

    def __getitem__(self, chosen: Any) -> Samples:
        return Samples(*(values[chosen] for values in self.columns()))

    def columns(self) -> tuple[Bools, Codes, Floats, Ints]:
        """Return ok, clock, latency_ms and count."""
        return self.ok, self.clock, self.latency_ms, self.count

    @property
    def by_client(self) -> Bools:
        """Which samples are those that count the requests."""
        return np.equal(self.clock, CLIENT)

    @property
    def timed(self) -> Bools:
        """Which samples have a latency."""
        return ~np.isnan(self.latency_ms)

    @property
    def unanswered(self) -> Bools:
        """Which samples are requests that never came back."""
        return np.isinf(self.latency_ms)


def wire_cells(samples: Samples, cell: Ints, cells: int) -> Bools:
    """Return for every cell whether its latency goes by the wire clock, from its successful requests."""
    stamped, answered = (
        _total(cell, samples.count, samples.ok & samples.timed & (samples.clock == clock), cells)
        for clock in (WIRE, CLIENT)
    )
    by_wire: Bools = goes_by_wire(stamped, answered)
    return by_wire


def sort_judged(samples: Samples, cell: Ints, cells: int, wire: Bools) -> SortedSamples:
    """Return the judged requests of each cell by its clock; `wire` says which cells go by the wire.

    Judged are the successful ones, and the unanswered ones, which bound every percentile from above.
    """
    judged = judged_requests(samples, cell, wire)
    return SortedSamples(cell[judged], samples.latency_ms[judged], samples.count[judged], cells)


def count_requests(samples: Samples, cell: Ints, cells: int) -> tuple[Ints, Ints]:
    """Return the successful and the failed requests of each cell.

    They are counted on the client clock: a refused connection fails without anything arriving on the wire.
    """
    ok = _total(cell, samples.count, samples.ok & samples.by_client, cells)
    return ok, _total(cell, samples.count, ~samples.ok & samples.by_client, cells)


def clocks(samples: Samples, cell: Ints, wire: Bools) -> pd.Categorical[str]:
    """Return whose time the latencies of each cell are; `wire` says which cells go by the wire.

    Of one that does, single requests may go by the client's: then it is the time of both.
    """
    fallbacks = _total(cell, samples.count, samples.ok & (samples.clock == FALLBACK), len(wire))
    codes = np.where(wire, np.where(fallbacks > 0, 2, 1), 0)
    return pd.Categorical.from_codes(codes.astype("int8"), categories=_CLOCKS)


def summarise(samples: Samples, cell: Ints, seconds: Floats) -> dict[str, Any]:
    """Return the figures as columns, one row per cell; `seconds` is the time that each cell was observed for."""
    cells = len(seconds)
    wire = wire_cells(samples, cell, cells)
    ok, failed = count_requests(samples, cell, cells)
    requests = ok + failed
    ordered = sort_judged(samples, cell, cells, wire)
    judged = judged_requests(samples, cell, wire) & ~samples.unanswered
    answered = _total(cell, samples.count, judged, cells)
    weighted = np.bincount(cell[judged], weights=samples.latency_ms[judged] * samples.count[judged], minlength=cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "requests": requests,
            "ok": ok,
            "failed": failed,
            "unanswered": _total(cell, samples.count, samples.unanswered & samples.by_client, cells),
            "rps": np.where(seconds > 0, requests / seconds, np.nan),
            "success_rate": ok / requests,
            "error_rate": failed / requests,
            "min_ms": ordered.percentile(0.0),
            "mean_ms": weighted / answered,
            **{metric.name: ordered.percentile(metric.q) for metric in PERCENTILES},
            "max_ms": ordered.percentile(1.0),
            "clock": clocks(samples, cell, wire),
        }


def judged_requests(samples: Samples, cell: Ints, wire: Bools) -> Bools:
    """Return which samples are judged: of each cell's clock the successful ones, and the unanswered ones."""
    by_its_clock = np.where(wire[cell], samples.clock >= WIRE, samples.by_client)
    return np.logical_or(by_its_clock & samples.ok & samples.timed, samples.unanswered & samples.by_client)


def _total(cell: Ints, count: Ints, chosen: Bools, cells: int) -> Ints:
    return np.bincount(cell[chosen], weights=count[chosen], minlength=cells).astype("int64")
