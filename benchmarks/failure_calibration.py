"""How often a comparison of error rates is right: simulated failures of two systems whose rates are known.

    python -m benchmarks.failure_calibration [--repetitions 20000] [--seed 1]

12 cells: 3 groups, each at 4 user counts; or a single cell. 1000 requests a run and cell. Failures are beta-binomial:
their variance is `dispersion` times that of independent requests, since each run has a failure rate of its own.
"Correlated": these rates follow an AR(1) process of .3 over the runs. The code that decides is the one that
`perflab compare` calls, with its fortieth of alpha = 1 %: a false alarm may happen in 0.025 % of comparisons.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from benchmarks.figures import machine
from perflab.analyse.comparison.decision import FAILURES_SHARE
from perflab.analyse.comparison.failures import Counts, compare_rates
from perflab.analyse.intervals import rate_bounds
from perflab.analyse.summary import Floats

REQUESTS = 1000
CELLS, GROUPS = 12, 3
ALPHA = 0.01
# Repetitions at a time, to bound memory.
BATCH = 5000


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """Two systems: their failure rate, and how many times as often the first `worse_cells` fail in the candidate."""

    rate: float
    dispersion: float
    runs: int
    cells: int = CELLS
    worse: float = 1.0
    worse_cells: int = CELLS // GROUPS
    serial: float = 0.0
    looks: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """In how many of `repetitions` comparisons more failures were found."""

    found: int
    repetitions: int

    @property
    def text(self) -> str:
        """The rate with its upper 95 % bound."""
        high = rate_bounds(self.found, self.repetitions).high or 0.0
        return f"{self.found:>6} of {self.repetitions} = {self.found / self.repetitions:>8.3%} (at most {high:.3%})"


def draw(case: ErrorCase, repetitions: int, factor: Floats, rng: np.random.Generator) -> Counts:
    """Return failures of shape (repetitions, cells, runs), `factor` times the rate in each cell."""
    shape = (repetitions, case.cells, case.runs)
    rate = np.broadcast_to((case.rate * factor)[:, np.newaxis], shape)
    if case.dispersion > 1:
        # Of a beta-binomial, the variance is 1 + (n - 1) rho times the binomial's; a + b is 1 / rho - 1.
        total = (REQUESTS - 1) / (case.dispersion - 1) - 1
        rate = correlated(case, rate, total, rng) if case.serial else rng.beta(rate * total, (1 - rate) * total)
    return Counts(rng.binomial(REQUESTS, rate).astype("float64"), np.full(shape, float(REQUESTS)))


def correlated(case: ErrorCase, rate: Floats, total: float, rng: np.random.Generator) -> Floats:
    """Return beta-distributed rates with these means, of which successive ones are correlated (a Gaussian copula)."""
    deviation: Floats = np.asarray(rng.standard_normal(rate.shape))
    for run in range(1, case.runs):
        own = np.sqrt(1 - case.serial**2) * deviation[..., run]
        deviation[..., run] = case.serial * deviation[..., run - 1] + own
    # The beta quantile is slow; its logarithm at some thousand points is smooth enough to be interpolated.
    points = np.linspace(-6, 6, 3001)
    drawn = np.empty(rate.shape)
    for mean in np.unique(rate):
        quantiles = special.betaincinv(mean * total, (1 - mean) * total, special.ndtr(points))
        of_mean = rate == mean
        drawn[of_mean] = np.exp(np.interp(deviation[of_mean], points, np.log(np.maximum(quantiles, 1e-300))))
    return drawn


def measure_errors(case: ErrorCase, repetitions: int, rng: np.random.Generator) -> Found:
    """Compare two systems so many times."""
    worse = np.where(np.arange(case.cells) < case.worse_cells, case.worse, 1.0)
    group = np.arange(case.cells) * GROUPS // case.cells if case.cells > 1 else np.zeros(1, "int64")
    found = 0
    for start in range(0, repetitions, BATCH):
        number = min(BATCH, repetitions - start)
        baseline = draw(case, number, np.ones(case.cells), rng)
        candidate = draw(case, number, worse, rng)
        kinds = compare_rates(baseline, candidate, group, alpha=ALPHA, share=FAILURES_SHARE, looks=case.looks)
        found += int(np.any([kind.more.any(axis=-1) for kind in kinds], axis=0).sum())
    return Found(found, repetitions)


def _equal() -> Iterator[ErrorCase]:
    for serial in (0.0, 0.3):
        for cells in (CELLS, 1):
            for runs in (5, 20):
                for dispersion in (1.0, 3.0, 10.0):
                    if dispersion > 1 or not serial:
                        for rate in (0.001, 0.01, 0.05):
                            yield ErrorCase(rate, dispersion, runs, cells=cells, serial=serial)


def _worse() -> Iterator[tuple[str, ErrorCase]]:
    for runs in (5, 10, 20):
        for dispersion in (1.0, 3.0, 10.0):
            yield "a group at 4 user counts", ErrorCase(0.01, dispersion, runs, worse=3.0)
            yield "one cell of 12", ErrorCase(0.01, dispersion, runs, worse=3.0, worse_cells=1)
            yield "the only cell", ErrorCase(0.01, dispersion, runs, worse=3.0, cells=1)


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=20_000, help="comparisons of each case of equal systems")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{machine()}\n\nEqual systems: more failures found, which must be at most {ALPHA * FAILURES_SHARE:.3%}")
    for number, case in enumerate(_equal()):
        rng = np.random.default_rng([options.seed, number])
        what = f"{case.cells:>2} cells, {case.runs:>2} runs a side, rate {case.rate:.1%}"
        what += f", dispersion {case.dispersion:>2.0f}" + (", correlated" if case.serial else "")
        print(f"{what:<66}{measure_errors(case, options.repetitions, rng).text}", flush=True)
    print("\n1 % becomes 3 %: found")
    for number, (name, case) in enumerate(_worse()):
        rng = np.random.default_rng([options.seed, 1, number])
        what = f"{name}, {case.runs:>2} runs a side, dispersion {case.dispersion:>2.0f}"
        print(f"{what:<66}{measure_errors(case, options.repetitions // 10, rng).text}", flush=True)


if __name__ == "__main__":
    main()
