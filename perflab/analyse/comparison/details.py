"""What a comparison looks like in detail: whole distributions, when it began, and which endpoint it comes from.

Curves, time and endpoints pool the requests of all runs that count: they show where a change is, and judge nothing. Nor
does the place of a single run among earlier runs of the baseline's configuration. Each function makes the frame of its
name in `SweepComparison`, which says what its columns hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from perflab.analyse.comparison.decision import Rules, effects
from perflab.analyse.comparison.latency import MIN_BEYOND, latency_by_run
from perflab.analyse.comparison.side import Cell, Side, common_cells, frame
from perflab.analyse.summary import Floats, Ints, Samples, SortedSamples, judged_requests
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Objectives
from perflab.store.layout import SIDES
from perflab.store.manifest import whole_seconds
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Finding

# 1 - q of a percentile curve, 20 a decade; it ends where fewer samples are left beyond.
_TAIL = 10.0 ** -(np.arange(0, 101) / 20)
_MIN_ON_CURVE = 10
_QUANTILES = np.array([*(np.arange(1, 20) / 20), 0.975, 0.99, 0.995, 0.999])
_MAX_BLOCKS = 20
# Runs that a single run is placed among, and how often an additional one lies within the interval.
MIN_EARLIER_RUNS, COVERAGE = 10, 0.99


def latency_curves(baseline: Side, candidate: Side, wire: Mapping[Cell, bool]) -> pd.DataFrame:
    """Return percentile curves of the requests of all runs that count."""
    cells = common_cells(baseline, candidate)
    rows: list[dict[str, Any]] = []
    for side in (baseline, candidate):
        pooled = _Pooled.of(side, cells, wire)
        ordered = SortedSamples(pooled.cell, pooled.samples.latency_ms, pooled.samples.count, len(cells))
        for at, ((level, group), samples) in enumerate(zip(cells, ordered.samples, strict=True)):
            tail = _TAIL[_TAIL * samples >= _MIN_ON_CURVE]
            distribution = ordered.cell(at)
            curve = [(q, distribution.percentile(q)) for q in (1 - tail).tolist()]
            rows += [
                {"side": side.name, "level": level, "group": group, "q": q, "latency_ms": latency}
                for q, latency in curve
                if np.isfinite(latency)
            ]
    return frame(rows, ("side", "level", "group", "q", "latency_ms"))


def latency_by_quantile(baseline: Side, candidate: Side, wire: Mapping[Cell, bool], rules: Rules) -> pd.DataFrame:
    """Return the change by quantile, run by run as the cells are judged.

    Bounds are missing where a side has one run, and quantiles where the median run has too few requests beyond.
    """
    cells = common_cells(baseline, candidate)
    sides = [_run_quantiles(side, cells, wire) for side in (baseline, candidate)]
    rows: list[dict[str, Any]] = []
    for (level, group), *both in zip(cells, *sides, strict=True):
        samples = np.concatenate([of_side.samples for of_side in both])
        enough = np.median(samples) * (1 - _QUANTILES) >= MIN_BEYOND - 1e-6
        logs = [of_side.logs for of_side in both]
        if rules.paired:
            shared = np.intersect1d(both[0].repeat, both[1].repeat)
            logs = [of_side.logs[:, np.isin(of_side.repeat, shared)] for of_side in both]
        found = effects(logs[0], logs[1], rules)
        low, high = found.bounds(rules.bound_level)
        figures = zip(_QUANTILES, *map(np.exp, (found.difference, low, high)), enough, strict=True)
        rows += [
            {"level": level, "group": group, "q": q, "ratio": ratio, "low": below, "high": above}
            for q, ratio, below, above, is_enough in figures
            if is_enough and np.isfinite(ratio)
        ]
    return frame(rows, ("level", "group", "q", "ratio", "low", "high"))


def latency_over_time(baseline: Side, candidate: Side, wire: Mapping[Cell, bool]) -> pd.DataFrame:
    """Return the ratio of median latencies by block of time; the runs' requests are pooled."""
    cells = common_cells(baseline, candidate)
    lengths = [len(whole_seconds(run.window)) for side in (baseline, candidate) for run in side.sweep.run_manifests]
    length = min((length for length in lengths if length), default=0)
    blocks = min(_MAX_BLOCKS, length)
    medians = [_medians(side, cells, wire, length, blocks) for side in (baseline, candidate)]
    rows: list[dict[str, Any]] = []
    for number, (level, group) in enumerate(cells):
        for block in range(blocks):
            before, after = (of_side[number * blocks + block] for of_side in medians)
            if np.isfinite(before) and np.isfinite(after):
                second = (block + 0.5) * length / blocks
                rows.append({"level": level, "group": group, "second": second, "ratio": after / before})
    return frame(rows, ("level", "group", "second", "ratio"))


def latency_by_round(runs: pd.DataFrame) -> pd.DataFrame:
    """Return each round's own change, from `latency_by_run`."""
    used = runs[runs["used"]].set_index(["level", "group", "metric", "repeat"])
    before, after = (used.loc[used["side"] == side, "value"] for side in SIDES)
    rounds = (after / before).dropna().rename("ratio").reset_index()
    return frame(rounds, ("level", "group", "metric", "repeat", "ratio"))


def contributions(baseline: Side, candidate: Side, wire: Mapping[Cell, bool]) -> pd.DataFrame:
    """Return what each endpoint adds to its group's change of mean latency; a changed mix of requests adds nothing."""
    cells = common_cells(baseline, candidate)
    before, after = (_endpoint_means(side, cells, wire) for side in (baseline, candidate))
    both = before.index.append(after.index.difference(before.index, sort=False))
    before, after = before.reindex(both), after.reindex(both)
    cell = both.get_level_values("cell").to_numpy("int64")
    shares = []
    for side in (before, after):
        counts = side["count"].fillna(0.0).to_numpy("float64")
        # A cell may have no successful request on one side.
        shares.append(counts / np.maximum(np.bincount(cell, counts, len(cells)), 1)[cell])
    rows = pd.DataFrame(
        {
            "level": [cells[number][0] for number in cell],
            "group": [cells[number][1] for number in cell],
            "method": both.get_level_values("method"),
            "name": both.get_level_values("name"),
            "baseline_ms": before["mean_ms"].to_numpy(),
            "candidate_ms": after["mean_ms"].to_numpy(),
            "share": np.mean(shares, axis=0),
        }
    )
    rows["contribution_ms"] = rows["share"] * (rows["candidate_ms"] - rows["baseline_ms"])
    return frame(rows, [str(name) for name in rows]).sort_values(
        ["level", "contribution_ms"], ascending=[True, False], ignore_index=True
    )


def spread(
    latency: pd.DataFrame,
    baseline: Sweep,
    earlier: Iterable[Sweep],
    wire: Mapping[Cell, bool],
    objectives: Objectives,
) -> pd.DataFrame:
    """Return one row for each cell of `latency` with one run on some side and at least ten runs to compare it with.

    Groups are those of `objectives`. `earlier` are sweeps of the baseline's configuration, whose runs count with the
    baseline's own. The interval is a prediction interval by t on the logarithms.
    """
    single = (latency[["baseline_runs", "candidate_runs"]].min(axis=1) == 1) & (latency["verdict"] == Finding.OPEN)
    columns = ("level", "group", "metric", "runs", "low", "high", "candidate", "inside")
    if not single.any():
        return frame([], columns)
    known = _earlier_figures([baseline, *earlier], wire, objectives)
    values = {key: rows["value"].to_numpy("float64") for key, rows in known.groupby(["level", "group", "metric"])}
    rows = []
    for cell in latency[single].to_dict("records"):
        logs = np.log(values.get((cell["level"], cell["group"], cell["metric"]), np.zeros(0)))
        runs = len(logs)
        if runs < MIN_EARLIER_RUNS:
            continue
        # One more run, or the mean of several, beside the runs so far.
        deviation = logs.std(ddof=1) * np.sqrt(1 / cell["candidate_runs"] + 1 / runs)
        reach = special.stdtrit(runs - 1, (1 + COVERAGE) / 2) * deviation
        low, high = np.exp(logs.mean() - reach), np.exp(logs.mean() + reach)
        inside = bool(low <= cell["candidate"] <= high)
        rows.append({**cell, "runs": runs, "low": low, "high": high, "inside": inside})
    return frame(rows, columns)


def spread_notes(found: pd.DataFrame) -> list[str]:
    """Return what is to be said of it, one line each."""
    if found.empty:
        return []
    inside = int(found["inside"].sum())
    lines = [
        f"{inside} of {len(found)} figures of the candidate lie within the spread of the runs of the baseline's "
        f"configuration ({found['runs'].min()} or more)"
    ]
    for row in found[~found["inside"]].to_dict("records"):
        percentile = metric_of(row["metric"]).words
        lines.append(
            f"{row['group']} {percentile} at {row['level']}: {row['candidate']:.4g} ms lies outside of their "
            f"spread ({COVERAGE * 100:g} % are within {row['low']:.4g} to {row['high']:.4g} ms)"
        )
    return lines


@dataclass(frozen=True, slots=True)
class _Pooled:
    """The judged samples of a side's runs that count, each with the number of its cell and endpoint."""

    samples: Samples
    cell: Ints
    endpoint: Ints

    @classmethod
    def of(cls, side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool]) -> _Pooled:
        requests = side.requests
        at = side.number_cells(cells)[side.run_and_group]
        known = np.flatnonzero(at >= 0)
        judged = known[judged_requests(requests.samples[known], at[known], _by_wire(cells, wire))]
        return cls(requests.samples[judged], at[judged], requests.endpoint[judged])


@dataclass(frozen=True, slots=True)
class _Quantiles:
    """Of one cell: logarithms of shape (quantiles, runs) in order of repeats, samples a run, and repeats."""

    logs: Floats
    samples: Ints
    repeat: Ints


def _run_quantiles(side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool]) -> list[_Quantiles]:
    ordered, _ = side.sort_by_run(wire)
    values = np.stack([ordered.percentile(float(q)) for q in _QUANTILES])
    found = []
    for cell in cells:
        counts = side.used_counts[cell]
        at = counts["at"].to_numpy()
        logs = np.log(np.where(np.isfinite(values[:, at]), values[:, at], np.nan))
        found.append(_Quantiles(logs, ordered.samples[at], counts["repeat"].to_numpy()))
    return found


def _medians(side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool], length: int, blocks: int) -> Floats:
    """Return the median latency of each cell and block, cell by cell."""
    samples = side.samples
    cell = side.number_cells(cells)[samples.run * len(side.groups) + samples.group]
    planned = np.array([whole_seconds(manifest.window).start for manifest in side.sweep.run_manifests], "int64")
    since = samples.second - planned[samples.run]
    inside = samples.within(side.windows) & (since < length) & (cell >= 0)
    # One more for those of no cell, whose number is -1.
    by_wire = np.append(_by_wire(cells, wire), False)
    rows = samples.rows(inside & samples.kinds.ok & judged_requests(samples.kinds, cell, by_wire))
    at = (cell * blocks + since * blocks // length)[samples.kind[rows]]
    return SortedSamples(at, samples.latency_ms(rows), samples.count[rows], len(cells) * blocks).percentile(0.5)


def _endpoint_means(side: Side, cells: Sequence[Cell], wire: Mapping[Cell, bool]) -> pd.DataFrame:
    """Return the number and mean latency of successful requests by cell and endpoint."""
    pooled = _Pooled.of(side, cells, wire)
    endpoints = side.requests.labels.endpoints
    answered = ~pooled.samples.unanswered
    at = (pooled.cell * len(endpoints) + pooled.endpoint)[answered]
    count = pooled.samples.count[answered]
    counts = np.bincount(at, weights=count, minlength=len(cells) * len(endpoints))
    sums = np.bincount(at, weights=count * pooled.samples.latency_ms[answered], minlength=len(counts))
    made = np.flatnonzero(counts)
    keys = [(key // len(endpoints), *endpoints[key % len(endpoints)]) for key in made.tolist()]
    names = ["cell", "method", "name"]
    means = pd.DataFrame(keys, columns=names).assign(count=counts[made], mean_ms=sums[made] / counts[made])
    return means.set_index(names)


def _by_wire(cells: Sequence[Cell], wire: Mapping[Cell, bool]) -> Any:
    return np.array([wire.get(cell, False) for cell in cells], "bool")


def _earlier_figures(sweeps: Sequence[Sweep], wire: Mapping[Cell, bool], objectives: Objectives) -> pd.DataFrame:
    """Return the figures of all sweeps by the same clocks; a cell that lacks its clock in a sweep is left out."""
    parts = []
    for sweep in sweeps:
        side = Side.of("history", sweep, objectives, planned=False)
        lacking = {cell for cell, is_wire in wire.items() if is_wire and not side.wire.get(cell, False)}
        figures = latency_by_run([side], wire, paired=False)
        cells = zip(figures["level"].tolist(), figures["group"].tolist(), strict=True)
        comparable = np.array([cell not in lacking for cell in cells], "bool")
        parts.append(figures[figures["used"] & comparable])
    return pd.concat(parts, ignore_index=True)
