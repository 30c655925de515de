"""What a comparison looks like in detail: whole distributions, when it began, and which endpoint it comes from.

Curves, time and endpoints pool the requests of all runs that count: they show where a change is, and judge nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.comparison.columns import frame
from perflab.analyse.comparison.decision import MISSED, SERIAL_CORRELATION
from perflab.analyse.comparison.effects import effects
from perflab.analyse.comparison.figures import LEAST_BEYOND, sort_by_run
from perflab.analyse.comparison.procedure import Options
from perflab.analyse.comparison.side import Cell, Side, common_cells
from perflab.analyse.summary import Floats, Ints, Samples, SortedSamples, judged_requests
from perflab.analyse.window import whole_seconds

# 1 - q of a percentile curve, 20 a decade; it ends where fewer samples are left beyond.
_TAIL = 10.0 ** -(np.arange(0, 101) / 20)
_LEAST_ON_CURVE = 10
_QUANTILES = np.array([*(np.arange(1, 20) / 20), 0.975, 0.99, 0.995, 0.999])
_MOST_BLOCKS = 20


@dataclass(frozen=True, slots=True)
class _Pooled:
    """The judged samples of a side's runs that count, each with the number of its cell and endpoint."""

    samples: Samples
    cell: Ints
    endpoint: Ints

    @classmethod
    def of(cls, side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool]) -> _Pooled:
        counts, requests = side.counts, side.requests
        numbers = {cell: number for number, cell in enumerate(cells)}
        of_run_and_group = np.full(len(side.runs) * len(side.groups), -1, "int64")
        keys = zip(counts["users"].tolist(), counts["group"].tolist(), strict=True)
        of_cell = np.array([numbers.get(key, -1) for key in keys], "int64")
        of_run_and_group[counts["at"]] = np.where(counts["used"], of_cell, -1)
        cell = of_run_and_group[side.run_and_group]
        known = cell >= 0
        samples, cell, endpoint = requests.samples[known], cell[known], requests.endpoint[known]
        by_wire = np.array([wire.get(key, False) for key in cells], "bool")
        judged = judged_requests(samples, cell, by_wire)
        return cls(samples[judged], cell[judged], endpoint[judged])


def curves(baseline: Side, candidate: Side, wire: Mapping[Cell, bool]) -> pd.DataFrame:
    """Return percentile curves of the requests of all runs that count: side, users, group, q, latency_ms."""
    cells = list(common_cells(baseline, candidate))
    parts = []
    for side in (baseline, candidate):
        pooled = _Pooled.of(side, cells, wire)
        ordered = SortedSamples(pooled.cell, pooled.samples.latency_ms, pooled.samples.count, len(cells))
        for (users, group), samples, at in zip(cells, ordered.samples, range(len(cells)), strict=True):
            tail = _TAIL[_TAIL * samples >= _LEAST_ON_CURVE]
            distribution = ordered.cell(at)
            latency = np.array([distribution.percentile(float(1 - rest)) for rest in tail])
            answered = np.isfinite(latency)
            part = pd.DataFrame({"q": 1 - tail[answered], "latency_ms": latency[answered]})
            parts.append(part.assign(side=side.name, users=users, group=group))
    columns = ("side", "users", "group", "q", "latency_ms")
    return frame(pd.concat(parts, ignore_index=True) if parts else [], columns)


def by_quantile(baseline: Side, candidate: Side, wire: Mapping[Cell, bool], options: Options) -> pd.DataFrame:
    """Return the change by quantile, run by run as the cells are judged: users, group, q, ratio, low, high.

    Bounds are missing where a side has one run, and quantiles where the median run has too few requests beyond.
    """
    cells = list(common_cells(baseline, candidate))
    logs = [_run_quantiles(side, cells, wire) for side in (baseline, candidate)]
    rows: list[dict[str, Any]] = []
    for number, (users, group) in enumerate(cells):
        before, after = (of[number] for of in logs)
        enough = np.median(np.concatenate((before[1], after[1]))) * (1 - _QUANTILES) >= LEAST_BEYOND - 1e-6
        if options.paired:
            both = np.intersect1d(before[2], after[2])
            before, after = ((of[0][:, np.isin(of[2], both)], of[1], of[2]) for of in (before, after))
        found = effects(before[0], after[0], paired=options.paired, serial_correlation=SERIAL_CORRELATION)
        low, high = found.bounds(MISSED / options.chances)
        rows += [
            {"users": users, "group": group, "q": q, "ratio": ratio, "low": below, "high": above}
            for q, ratio, below, above, is_enough in zip(
                *(_QUANTILES, np.exp(found.difference), np.exp(low), np.exp(high), enough), strict=True
            )
            if is_enough and np.isfinite(ratio)
        ]
    return frame(rows, ("users", "group", "q", "ratio", "low", "high"))


def _run_quantiles(side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool]) -> list[tuple[Floats, Ints, Ints]]:
    """Return of each cell: logarithms of shape (quantiles, runs) in order of repeats, samples a run, and repeats."""
    ordered, _ = sort_by_run(side, wire)
    values = np.stack([ordered.percentile(float(q)) for q in _QUANTILES])
    used = side.counts[side.counts["used"]].sort_values("repeat")
    by_cell = dict(iter(used.groupby(["users", "group"])))
    found = []
    for cell in cells:
        at = by_cell[cell]["at"].to_numpy()
        logs = np.log(np.where(np.isfinite(values[:, at]), values[:, at], np.nan))
        found.append((logs, ordered.samples[at], by_cell[cell]["repeat"].to_numpy()))
    return found


def over_time(baseline: Side, candidate: Side, wire: Mapping[Cell, bool]) -> pd.DataFrame:
    """Return the ratio of median latencies by block of time: users, group, second, ratio.

    `second` is the middle of a block, since the start of the planned window. The runs' requests are pooled.
    """
    cells = list(common_cells(baseline, candidate))
    sides = (baseline, candidate)
    lengths = [len(whole_seconds(run.window)) for side in sides for run in side.sweep.run_manifests]
    length = min((one for one in lengths if one), default=0)
    blocks = min(_MOST_BLOCKS, length)
    medians = [_medians(side, cells, wire, length, blocks) for side in sides]
    rows: list[dict[str, Any]] = []
    for number, (users, group) in enumerate(cells):
        for block in range(blocks):
            before, after = (of[number * blocks + block] for of in medians)
            if np.isfinite(before) and np.isfinite(after):
                second = (block + 0.5) * length / blocks
                rows.append({"users": users, "group": group, "second": second, "ratio": after / before})
    return frame(rows, ("users", "group", "second", "ratio"))


def _medians(side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool], length: int, blocks: int) -> Floats:
    """Return the median latency of each cell and block, cell by cell."""
    samples = side.samples
    planned = np.array([whole_seconds(manifest.window).start for manifest in side.sweep.run_manifests], "int64")
    numbers = {cell: number for number, cell in enumerate(cells)}
    used = side.runs["used"].to_numpy()
    of_run = [
        [numbers.get((int(users), group), -1) if is_used else -1 for group in side.groups]
        for users, is_used in zip(side.runs["users"], used, strict=True)
    ]
    cell = np.array(of_run, "int64").reshape(len(used), len(side.groups))[samples.run, samples.group]
    since = samples.second - planned[samples.run]
    by_wire = np.array([*(wire.get(key, False) for key in cells), False], "bool")
    inside = samples.within(side.windows) & (since < length) & (cell >= 0)
    rows = samples.rows(inside & samples.kinds.ok & judged_requests(samples.kinds, cell, by_wire))
    at = (cell * blocks + since * blocks // length)[samples.kind[rows]]
    return SortedSamples(at, samples.latency_ms(rows), samples.count[rows], len(cells) * blocks).percentile(0.5)


def contributions(baseline: Side, candidate: Side, wire: Mapping[Cell, bool]) -> pd.DataFrame:
    """Return what each endpoint adds to its group's change of mean latency, largest first at each user count.

    Columns: users, group, method, name, baseline_ms, candidate_ms (means), share (of the group's requests, of both
    sides), contribution_ms: share times the change of its mean, so that a changed mix of requests adds nothing.
    """
    cells = list(common_cells(baseline, candidate))
    by_side = [_endpoint_means(side, cells, wire) for side in (baseline, candidate)]
    keys = dict.fromkeys([*by_side[0], *by_side[1]])
    totals = [
        # A cell may have no successful request on one side.
        np.maximum(np.bincount([cell for cell, _ in of], [count for count, _ in of.values()], len(cells)), 1)
        for of in by_side
    ]
    rows = []
    for number, endpoint in keys:
        (count_0, mean_0), (count_1, mean_1) = (of.get((number, endpoint), (0.0, np.nan)) for of in by_side)
        share = float(np.mean([count_0 / totals[0][number], count_1 / totals[1][number]]))
        users, group = cells[number]
        rows.append(
            {
                "users": users,
                "group": group,
                "method": endpoint[0],
                "name": endpoint[1],
                "baseline_ms": mean_0,
                "candidate_ms": mean_1,
                "share": share,
                "contribution_ms": share * (mean_1 - mean_0),
            }
        )
    columns = ("users", "group", "method", "name", "baseline_ms", "candidate_ms", "share", "contribution_ms")
    return frame(rows, columns).sort_values(["users", "contribution_ms"], ascending=[True, False], ignore_index=True)


def _endpoint_means(
    side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool]
) -> dict[tuple[int, tuple[str, str]], tuple[float, float]]:
    """Return the number and mean latency of successful requests by cell and endpoint."""
    pooled = _Pooled.of(side, cells, wire)
    endpoints = side.requests.endpoints
    answered = ~pooled.samples.unanswered
    at = (pooled.cell * len(endpoints) + pooled.endpoint)[answered]
    count = pooled.samples.count[answered]
    counts = np.bincount(at, weights=count, minlength=len(cells) * len(endpoints))
    sums = np.bincount(at, weights=count * pooled.samples.latency_ms[answered], minlength=len(counts))
    return {
        (int(one) // len(endpoints), endpoints[int(one) % len(endpoints)]): (counts[one], sums[one] / counts[one])
        for one in np.flatnonzero(counts)
    }
