"""How often the test for a steady state is right: simulated runs with known truths, request by request.

    python -m benchmarks.steady_state [--csv figures.csv] [--runs 1000] [--seed 1]

Each run has four endpoints with medians from 5 to 400 ms and log-normal latencies (sigma 0.5 a request). All requests
of a second share a deviation, an AR(1) process with the given coefficient of variation and rho; the number of requests
a second varies half as much as a Poisson process, and with half of that deviation. Latency and throughput change only
as the case says: a closed loop, where a slow target also lowers throughput, would make every change easier to see.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures import machine, write_csv
from perflab.analyse.steady import BySecond, SteadyPart, find_steady, second_by_second, slow_limits
from perflab.analyse.summary import Floats, Ints, SortedSamples

WINDOWS = (15, 30, 60, 300)
RATES = (10, 50, 500)
# The last is more than the test is made for.
NOISES = ((0.03, 0.0), (0.05, 0.0), (0.05, 0.3), (0.05, 0.5), (0.10, 0.5))
HARDEST = NOISES[-2:-1]
MEDIANS = np.array([5.0, 20.0, 80.0, 400.0])
SHARES = np.array([0.4, 0.3, 0.2, 0.1])
SIGMA = 0.5
WARM_UP = 10  # seconds
TAIL = 3.0  # times as slow as the others of their endpoint


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happens in a window, a value a second: factors of latency and rate, and the share of slow ones."""

    latency: Floats
    rate: Floats
    tail: Floats


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of run; `warm_up` seconds should be left out, None: the window should be refused."""

    name: str
    warm_up: int | None
    truth: Callable[[Floats], Truth]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found in the runs of one setting: shares of `runs`, and seconds left out where a part was found."""

    case: str
    window_s: int
    requests_per_s: int
    cv: float
    rho: float
    runs: int
    whole: float
    moved: float
    refused: float
    warm_up_excluded: float
    mean_left_out_s: float
    p95_left_out_s: float


def _latency(shape: Callable[[Floats], Floats]) -> Callable[[Floats], Truth]:
    return lambda t: Truth(shape(t), np.ones_like(t), np.zeros_like(t))


def _cases() -> Iterator[Case]:
    """Yield the cases; `t` is the middle of each second, `t[-1] + .5` the length of the window."""
    yield Case("quiet", 0, _latency(np.ones_like))
    yield Case("warm-up 5x, linear 10 s", WARM_UP, _latency(lambda t: 1 + 4 * np.clip(1 - t / WARM_UP, 0, 1)))
    yield Case("warm-up 5x, exponential 2 s", WARM_UP, _latency(lambda t: 1 + 4 * np.exp(-t / 2)))
    yield Case("warm-up 2x, linear 10 s", WARM_UP, _latency(lambda t: 1 + np.clip(1 - t / WARM_UP, 0, 1)))
    for factor in (1.25, 1.5, 2.0, 5.0):
        yield Case(f"latency drifts to {factor:g}x", None, _latency(lambda t, f=factor: f ** (t / (t[-1] + 0.5))))  # type: ignore[misc]
    yield Case("late ramp to 2x from 60 %", None, _latency(lambda t: 1 + np.clip(t / (t[-1] + 0.5) - 0.6, 0, 1) / 0.4))
    yield Case(
        "throughput falls by 30 %",
        None,
        lambda t: Truth(np.ones_like(t), 1 - 0.3 * t / (t[-1] + 0.5), np.zeros_like(t)),
    )
    yield Case(
        "3x slow ones grow to 10 %",
        None,
        lambda t: Truth(np.ones_like(t), np.ones_like(t), 0.1 * t / (t[-1] + 0.5)),
    )


def common_noise(seconds: int, cv: float, rho: float, rng: np.random.Generator) -> Floats:
    """Return an AR(1) process in its stationary state."""
    noise = np.empty(seconds)
    noise[0] = rng.normal(0, cv)
    for at, shock in enumerate(rng.normal(0, cv * np.sqrt(1 - rho**2), seconds - 1), start=1):
        noise[at] = rho * noise[at - 1] + shock
    return noise


def simulate(truth: Truth, requests_per_s: int, cv: float, rho: float, rng: np.random.Generator) -> BySecond:
    """Return a simulated run, second by second."""
    seconds = len(truth.rate)
    common = common_noise(seconds, cv, rho, rng)
    rate = requests_per_s * truth.rate * (1 - common / 2)
    counts = np.maximum(np.round(rng.normal(rate, np.sqrt(0.5 * rate))), 0).astype("int64")
    second = np.repeat(np.arange(seconds), counts)
    endpoint = rng.choice(len(MEDIANS), len(second), p=SHARES)
    log = np.log(MEDIANS)[endpoint] + (np.log(truth.latency) + common)[second] + rng.normal(0, SIGMA, len(second))
    log += np.where(rng.random(len(second)) < truth.tail[second], np.log(TAIL), 0)
    return series(second, endpoint, np.exp(log), seconds)


def series(second: Ints, endpoint: Ints, latency_ms: Floats, seconds: int) -> BySecond:
    """Return the series of requests, second by second."""
    ones = np.ones(len(second), "int64")
    limit = slow_limits(SortedSamples(endpoint, latency_ms, ones, len(MEDIANS)))
    slow = (latency_ms > limit[endpoint]).astype("int64")
    return second_by_second(second, endpoint, ones, ones, np.log(latency_ms), slow, range(seconds))


def measure(case: Case, window: int, rate: int, cv: float, rho: float, runs: int, rng: np.random.Generator) -> Figures:
    """Simulate `runs` runs of one setting and return what was found in them."""
    truth = case.truth(np.arange(0.5, window))
    found: list[SteadyPart] = []
    for _ in range(runs):
        run = simulate(truth, rate, cv, rho, rng)
        found.append(find_steady(run.requests, run.latency, run.slow))
    starts = np.array([part.start for part in found if part.found])
    return Figures(
        case=case.name,
        window_s=window,
        requests_per_s=rate,
        cv=cv,
        rho=rho,
        runs=runs,
        whole=float(np.sum(starts == 0)) / runs,
        moved=float(np.sum(starts > 0)) / runs,
        refused=1 - len(starts) / runs,
        warm_up_excluded=float(np.sum(starts >= case.warm_up)) / runs if case.warm_up else float("nan"),
        mean_left_out_s=float(np.mean(starts)) if len(starts) else float("nan"),
        p95_left_out_s=float(np.quantile(starts, 0.95)) if len(starts) else float("nan"),
    )


def costs(rng: np.random.Generator) -> str:
    """Return what a sweep's 500 000 requests cost, on one line."""
    n = 500_000
    second, endpoint = rng.integers(0, 300, n), rng.integers(0, len(MEDIANS), n)
    latency = rng.lognormal(3, 0.5, n)
    start = time.perf_counter()
    run = series(second, endpoint, latency, 300)
    middle = time.perf_counter()
    find_steady(run.requests, run.latency, run.slow)
    end = time.perf_counter()
    return f"{n} requests: {(middle - start) * 1000:.0f} ms to series, {(end - middle) * 1000:.1f} ms to test 300 s"


def main() -> None:
    """Measure, print a table, and write it as CSV where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs of each setting")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"{machine()}\n{costs(rng)}\n{options.runs} runs of each setting, in % of them\n")
    print(f"{'case':<28}{'window':>7}{'req/s':>7}{'CV':>6}{'rho':>5}", end="")
    print(f"{'whole':>8}{'moved':>8}{'refused':>9}{'excluded':>10}{'s left out':>12}")
    table: list[Figures] = []
    for case in _cases():
        # False alarms in all noise, changes in that which hides them best.
        for window in WINDOWS:
            for rate in RATES:
                for cv, rho in NOISES if case.warm_up == 0 else HARDEST:
                    one = measure(case, window, rate, cv, rho, options.runs, rng)
                    table.append(one)
                    print(f"{one.case:<28}{window:>5} s{rate:>7}{cv * 100:>4.0f} %{rho:>5.1f}", end="")
                    print(f"{one.whole * 100:>8.1f}{one.moved * 100:>8.1f}{one.refused * 100:>9.1f}", end="")
                    excluded = f"{one.warm_up_excluded * 100:.1f}" if case.warm_up else ""
                    print(f"{excluded:>10}{one.mean_left_out_s:>12.1f}", flush=True)
    if options.csv:
        write_csv(options.csv, [asdict(one) for one in table])


if __name__ == "__main__":
    main()
