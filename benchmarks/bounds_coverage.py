"""How often each one-sided 95 % bound misses the truth, on services whose truth is known and whose requests queue.

    python -m benchmarks.bounds_coverage [--repetitions 2000] [--seconds 15 60 300] [--csv F]
    python -m benchmarks.bounds_coverage --sweep ID [--together RUNS] [--runs-dir DIR]

Bounds of p50, p95 and p99, of throughput, and of the rate of requests within the true p90 stand beside those that take
requests as independent: `low` and `high` are the shares of repetitions in which the lower and the upper bound is on
the wrong side of the truth, 5 % is promised; `none` how often there are too few samples for an upper one; `effect` the
median design effect. With `--sweep`, the bounds of each run of a recorded sweep are held against the percentiles of
its other runs, pooled; with `--together` those of so many runs, drawn by chance again and again.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import perflab
from benchmarks.figures import machine, write_csv
from benchmarks.queues import (
    CAPACITY,
    Closed,
    ConstantService,
    FourServers,
    Independent,
    Queue,
    Run,
    SingleServer,
)
from perflab.analyse.bounds import Estimate, Timed, share_of, throughput_of
from perflab.analyse.intervals import percentile_ranks, rate_bounds, throughput_bounds
from perflab.store.manifest import whole_seconds

SERVICES: dict[str, type[Queue]] = {
    "independent": Independent,
    "M/M/1": SingleServer,
    "M/M/4": FourServers,
    "M/D/1": ConstantService,
    "closed": Closed,
}
UTILISATIONS = (0.3, 0.5, 0.7, 0.8, 0.9)
SUBSETS = 200
PERCENTILES = (0.50, 0.95, 0.99)
WITHIN = 0.90


@dataclass(frozen=True, slots=True)
class Missed:
    """How often bounds missed: shares of the repetitions."""

    service: str
    utilisation: float
    seconds: int
    figure: str
    low: float
    high: float
    none: float
    effect: float
    independent_low: float
    independent_high: float


@dataclass(slots=True)
class _Tally:
    low: int = 0
    high: int = 0
    none: int = 0
    independent_low: int = 0
    independent_high: int = 0
    number: int = 0
    effects: list[float] = field(default_factory=list)

    def add(self, found: Estimate, independent: tuple[float, float], truth: float) -> None:
        low = -math.inf if found.bounds.low is None else found.bounds.low
        high = math.inf if found.bounds.high is None else found.bounds.high
        self.number += 1
        self.low += low > truth
        self.high += high < truth
        self.none += math.isinf(high)
        self.independent_low += independent[0] > truth
        self.independent_high += independent[1] < truth
        self.effects.append(found.reach.effect or 1.0)

    def shares(self, service: str, utilisation: float, seconds: int, figure: str) -> Missed:
        """Return the counts as shares."""
        low, high, none, independent_low, independent_high = (
            count / self.number
            for count in (self.low, self.high, self.none, self.independent_low, self.independent_high)
        )
        effect = float(np.median(self.effects))
        return Missed(service, utilisation, seconds, figure, low, high, none, effect, independent_low, independent_high)


def missed(service: str, utilisation: float, seconds: int, repetitions: int) -> list[Missed]:
    """Return how often the bounds of each figure miss the truth in simulated runs."""
    queue = SERVICES[service](utilisation)
    rng = np.random.default_rng([1, seconds, round(100 * utilisation)])
    truths = {q: queue.percentile(q) for q in PERCENTILES}
    within = queue.percentile(WITHIN)
    tallies: dict[str, _Tally] = {}
    for run in queue.runs(seconds, repetitions, rng):
        for q in PERCENTILES:
            found, independent = _percentile(run, seconds, q)
            tallies.setdefault(f"p{100 * q:g}", _Tally()).add(found, independent, truths[q])
        second, latency = run
        requests = np.bincount(second, minlength=seconds).astype("float64")
        hits = np.bincount(second[latency <= within], minlength=seconds).astype("float64")
        exact = rate_bounds(hits.sum(), requests.sum())
        tallies.setdefault("rate", _Tally()).add(
            share_of(hits, requests, [seconds]), (exact.low or 0.0, exact.high or 1.0), WITHIN
        )
        garwood = throughput_bounds(float(requests.sum()), seconds)
        tallies.setdefault("throughput", _Tally()).add(
            throughput_of(requests, [seconds]), (garwood.low or 0.0, garwood.high or math.inf), queue.arrivals
        )
    return [tally.shares(service, utilisation, seconds, figure) for figure, tally in tallies.items()]


def _percentile(run: Run, seconds: int, q: float) -> tuple[Estimate, tuple[float, float]]:
    second, latency = run
    timed = Timed(second, latency, np.ones(len(second), "int64"), (seconds,))
    low, high = percentile_ranks(len(second), q)
    at = timed.distribution.at_rank
    return timed.percentile(q), (-math.inf if low is None else at(low), math.inf if high is None else at(high))


def real(sweep: perflab.Sweep, together: int) -> Iterator[Missed]:
    """Yield how often the bounds of so many runs miss the percentile of all other runs of their level, pooled."""
    latency = sweep.latency
    judged = latency[latency["steady"] & (latency["outcome"] == "ok") & latency["measure"].isin(["wire", "fallback"])]
    windows = {str(run): whole_seconds(of) for run, of in zip(sweep.runs["run"], sweep.windows, strict=True)}
    for (level, group), cell in judged.groupby(["level", "group"], observed=True):
        runs = {str(run): rows for run, rows in cell.groupby("run", observed=True) if len(windows[str(run)]) > 1}
        # Runs beside each other share the machine's mood, which is what others have not: they are drawn by chance.
        rng = np.random.default_rng(1)
        chosen = (
            [{run} for run in runs]
            if together == 1
            else [set(rng.choice([*runs], together, False)) for _ in range(SUBSETS)]
        )
        for q in PERCENTILES:
            tally = _Tally()
            for names in chosen:
                others = cell[~cell["run"].isin(names)]
                truth = _timed([others.assign(second=0)], [range(1)]).distribution.percentile(q)
                found = _timed([runs[name] for name in names], [windows[name] for name in names])
                low, high = percentile_ranks(found.distribution.samples, q)
                at = found.distribution.at_rank
                tally.add(
                    found.percentile(q),
                    (-math.inf if low is None else at(low), math.inf if high is None else at(high)),
                    truth,
                )
            yield tally.shares(f"{group}, {level}", math.nan, max(map(len, windows.values())), f"p{100 * q:g}")


def _timed(runs: Sequence[pd.DataFrame], windows: Sequence[range]) -> Timed:
    lengths = [len(window) for window in windows]
    begins = np.cumsum([0, *lengths[:-1]])
    second = np.concatenate(
        [rows["second"] - window.start + begin for rows, window, begin in zip(runs, windows, begins, strict=True)]
    )
    every = pd.concat(runs)
    return Timed(second.astype("int64"), every["latency_ms"].to_numpy(), every["count"].to_numpy(), tuple(lengths))


def show(rows: Sequence[Missed]) -> None:
    """Print a row per figure."""
    for row in rows:
        shares = (f"{100 * share:.1f}" for share in (row.low, row.high, row.none))
        plain = (f"{100 * share:.1f}" for share in (row.independent_low, row.independent_high))
        utilisation = "" if math.isnan(row.utilisation) else f"{row.utilisation:g}"
        print(
            " | ".join([row.service, utilisation, str(row.seconds), row.figure, *shares, f"{row.effect:.1f}", *plain]),
            flush=True,
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seconds", type=int, nargs="+", default=[15, 60, 300])
    parser.add_argument("--services", nargs="+", default=list(SERVICES), choices=list(SERVICES))
    parser.add_argument("--utilisations", type=float, nargs="+", default=list(UTILISATIONS))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--sweep", help="hold the runs of this recorded sweep against each other instead")
    parser.add_argument("--together", type=int, default=1, help="so many of its runs by chance against all others")
    parser.add_argument("--runs-dir", type=Path)
    options = parser.parse_args()
    print(machine())
    print("service | util. | s | figure | low | high | none | effect | low, high if taken as independent")
    rows: list[Missed] = []
    if options.sweep:
        rows = list(real(perflab.open_sweep(options.sweep, options.runs_dir), options.together))
        show(rows)
    else:
        print(f"{options.repetitions} repetitions each, capacity {CAPACITY:g}/s; per cent of repetitions")
        with ProcessPoolExecutor(options.processes) as pool:
            jobs = [
                pool.submit(missed, service, utilisation, seconds, options.repetitions)
                for seconds in options.seconds
                for service in options.services
                for utilisation in options.utilisations
            ]
            for job in jobs:
                show(job.result())
                rows += job.result()
    if options.csv:
        write_csv(options.csv, [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
