"""Summaries of a sweep's requests by level, group, endpoint and second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.assemble import endpoint_codes
from perflab.analyse.clocks import row_clocks
from perflab.analyse.listed import Listed
from perflab.analyse.summary import (
    Bools,
    Floats,
    Ints,
    Samples,
    count_requests,
    sort_judged,
    summarise,
    wire_cells,
)

# The group of what is listed as one and belongs to more than one.
SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Steady:
    """The judged requests of a sweep: equal samples of a level and endpoint merged, whatever second they began in.

    `level`, `endpoint` and `group` number each sample's level, endpoint and group; `seconds` is the steady time
    of each level over its repeats.
    """

    samples: Samples
    level: Ints
    endpoint: Ints
    group: Ints
    levels: tuple[int, ...]
    endpoints: Sequence[tuple[str, str]]
    group_of: Ints
    groups: pd.Index[str]
    seconds: Floats

    @classmethod
    def of(cls, latency: pd.DataFrame, judged: Bools, levels: tuple[int, ...], seconds: Floats) -> Steady:
        """Return the samples of the rows of `latency` that are `judged`."""
        endpoint, endpoints = endpoint_codes(latency)
        group_of = np.zeros(len(endpoints), "int64")
        group_of[endpoint] = latency["group"].cat.codes.to_numpy()
        clock = row_clocks(latency)
        chosen = judged & (clock >= 0)
        level = np.searchsorted(np.array(levels), latency["users"].to_numpy()[chosen])
        ok = (latency["outcome"] == "ok").to_numpy()[chosen]
        value, values = pd.factorize(judged_latencies(latency)[chosen], use_na_sentinel=False)
        shape = (max(len(levels), 1), max(len(endpoints), 1), 2, 3, max(len(values), 1))
        key = np.ravel_multi_index((level, endpoint[chosen], ok, clock[chosen], value), shape)
        merged, keys = pd.factorize(key)
        count = np.bincount(merged, weights=latency["count"].to_numpy()[chosen], minlength=len(keys))
        of_level, of_endpoint, succeeded, of_clock, of_value = np.unravel_index(keys, shape)
        return cls(
            samples=Samples(succeeded == 1, of_clock.astype("int8"), values[of_value], count.astype("int64")),
            level=of_level,
            endpoint=of_endpoint,
            group=group_of[of_endpoint],
            levels=levels,
            endpoints=endpoints,
            group_of=group_of,
            groups=latency["group"].cat.categories,
            seconds=seconds,
        )

    def by_level(self) -> pd.DataFrame:
        """Return users and the figures of each level with requests."""
        return self._frame(np.zeros_like(self.level), 1, {})

    def by_group(self) -> pd.DataFrame:
        """Return users, group and the figures of each group with requests."""
        groups = len(self.groups)
        return self._frame(self.group, groups, {"group": self._group_column(np.arange(groups))})

    def by_endpoint(self, listed: Listed | None = None) -> pd.DataFrame:
        """Return users, group, method, name and the figures of each endpoint with requests, or as they are `listed`."""
        listed = listed or Listed(frozenset())
        shown = [listed.endpoint(endpoint) for endpoint in self.endpoints]
        groups: dict[tuple[str, str], str] = {}
        for endpoint, group in zip(shown, self.groups[self.group_of], strict=True):
            groups[endpoint] = group if groups.get(endpoint, group) == group else SEVERAL
        row = {endpoint: at for at, endpoint in enumerate(groups)}
        row_of = np.array([row[endpoint] for endpoint in shown], "int64")
        front: dict[str, Any] = {"group": _ordered(groups.values(), dict.fromkeys([*self.groups, *groups.values()]))}
        for at, part in enumerate(("method", "name")):
            texts = [endpoint[at] for endpoint in groups]
            # The row of all others comes last.
            front[part] = _ordered(texts, sorted(set(texts), key=lambda text: (text == listed.rest, text)))
        frame = self._frame(row_of[self.endpoint], len(row), front)
        return frame.sort_values(["users", "group", "name", "method"], ignore_index=True)

    def _frame(self, part: Ints, parts: int, front: dict[str, Any]) -> pd.DataFrame:
        """Return the figures by level and part, with users and `front` (a value a part) before them."""
        cell = self.level * parts + part
        figures = summarise(self.samples, cell, np.repeat(self.seconds, parts))
        of_cell = np.tile(np.arange(parts), len(self.levels))
        columns = {"users": np.repeat(np.array(self.levels, "int64"), parts)}
        columns |= {name: values[of_cell] for name, values in front.items()}
        frame = pd.DataFrame({**columns, **figures})
        return frame[frame["requests"] > 0].reset_index(drop=True)

    def _group_column(self, codes: Ints) -> pd.Categorical[str]:
        return pd.Categorical.from_codes(codes, categories=self.groups)


def _ordered(texts: Iterable[str], order: Iterable[str]) -> pd.Categorical[str]:
    return pd.Categorical(pd.Index(list(texts), dtype="str"), categories=pd.Index(list(order), dtype="str"))


def timeline(latency: pd.DataFrame) -> pd.DataFrame:
    """Return requests, failures and percentiles of each run, second and group, ramp-up included."""
    clock = row_clocks(latency)
    chosen = clock >= 0
    rows = latency[chosen]
    samples = Samples(
        (rows["outcome"] == "ok").to_numpy(),
        clock[chosen],
        judged_latencies(rows),
        rows["count"].to_numpy(),
    )
    groups = max(len(latency["group"].cat.categories), 1)
    group = rows["group"].cat.codes.to_numpy().astype("int64")
    # One clock for a group at a level, so that its line doesn't change meaning from second to second.
    level, levels = pd.factorize(rows["users"].to_numpy())
    of_level = level * groups + group
    by_wire = wire_cells(samples, of_level, len(levels) * groups)

    second = rows["second"].to_numpy().astype("int64")
    first, span = (second.min(), int(np.ptp(second)) + 1) if len(second) else (0, 1)
    key = (rows["run"].cat.codes.to_numpy().astype("int64") * span + second - first) * groups + group
    cell, keys = pd.factorize(key, sort=True)
    cells = len(keys)
    wire_of_cell = np.zeros(cells, "bool")
    wire_of_cell[cell] = by_wire[of_level]
    example = np.zeros(cells, "int64")
    example[cell] = np.arange(len(cell))

    ok, failed = count_requests(samples, cell, cells)
    ordered = sort_judged(samples, cell, cells, wire_of_cell)
    result = rows[["run", "second", "group", "users", "repeat"]].iloc[example].reset_index(drop=True)
    result["requests"] = ok + failed
    result["failed"] = failed
    result["p50_ms"] = ordered.percentile(0.50)
    result["p95_ms"] = ordered.percentile(0.95)
    result["steady"] = rows["steady"].to_numpy()[example]
    return result


def judged_latencies(latency: pd.DataFrame) -> Floats:
    """Return each row's latency in ms: that of an unanswered request, which waited in vain, is infinite."""
    return np.where((latency["outcome"] == "unanswered").to_numpy(), np.inf, latency["latency_ms"].to_numpy())
