"""How often a comparison is right: simulated runs of two systems whose difference is known.

    python -m benchmarks.comparison_calibration [--repetitions 2000] [--only WORD] [--seed 1] [--csv figures.csv]
    python -m benchmarks.comparison_calibration --runs-needed [--repetitions 2000] [--seed 1]

24 cells: 3 endpoints, each at 4 user counts and 2 percentiles. Run-to-run CV 5 %, correlation .5 between the cells of a
run, lognormal. Paired, the two runs of a round share half of each cell's variance. "Correlated": every cell's deviation
follows an AR(1) process of .3 over the rounds, on each side by itself; paired, in what a round shares too. "Outliers":
3 % of runs are 1.5 times as slow in all cells. Every comparison is decided by the code that `compare_runs` calls. "Of
sweeps": with the part of alpha that `perflab compare` has for latency. Error rates: see benchmarks.failure_calibration.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.figures import machine, write_csv
from perflab.analyse.comparison.decision import LATENCY_SHARE, Rules, decide
from perflab.analyse.intervals import rate_bounds
from perflab.analyse.summary import Floats
from perflab.plan.ab import LOOKS

ENDPOINTS = 3
ENDPOINT = np.repeat(np.arange(ENDPOINTS), 8)
SHARED_BY_CELLS = 0.5
SHARED_BY_PAIRS = 0.5
OUTLIER = 1.5
MAX_ROUNDS = 160
ALPHA = 0.01
OUTCOMES = ("REGRESSION", "NO_REGRESSION", "INCONCLUSIVE")


@dataclass(frozen=True, slots=True)
class Case:
    """Two systems, how they are compared, and how often `outcome` has to be at least or at most the result."""

    name: str
    outcome: str = "REGRESSION"
    at_least: float = 0.0
    at_most: float = 1.0
    rounds: int = 5
    looks: tuple[int, ...] = ()
    slower: float = 0.0
    """How much slower in truth, as a fraction."""
    slower_cells: int = 8
    margin: float = 0.05
    serial: float = 0.0
    outliers: float = 0.0
    paired: bool = False
    cv: float = 0.05
    allowed_for: float | None = None
    """The serial correlation that the test allows for; None: as it does by default."""
    part: float = 1.0
    """What part of alpha there is for latency."""

    @property
    def rules(self) -> Rules:
        """The rules by which it is decided."""
        rules = Rules(self.paired, self.margin, alpha=ALPHA * self.part, looks=self.looks)
        return rules if self.allowed_for is None else replace(rules, serial_correlation=self.allowed_for)


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out: counts of `repetitions`, bounds of the judged outcome's rate, and the mean number of rounds."""

    case: str
    design: str
    repetitions: int
    regression: int
    no_regression: int
    inconclusive: int
    judged: str
    required: str
    low: float
    high: float
    mean_rounds: float
    met: bool


def _cases() -> Iterator[Case]:
    for rounds in (5, 10, 20):
        yield Case(f"A/A, {rounds} rounds", at_most=0.01, rounds=rounds)
    yield Case("A/A, looks", at_most=0.01, rounds=LOOKS[-1], looks=LOOKS)
    yield Case("+20 % on an endpoint, 5 rounds", at_least=0.95, slower=0.20)
    yield Case("+10 % on an endpoint, looks", at_least=0.98, slower=0.10, rounds=LOOKS[-1], looks=LOOKS)
    yield Case("A/A, margin 10 %, looks", "NO_REGRESSION", at_least=0.97, margin=0.10, rounds=LOOKS[-1], looks=LOOKS)
    yield Case("A/A, margin 5 %, 5 rounds", "INCONCLUSIVE", at_least=0.95)
    yield Case(
        "one cell +5 %, margin 5 %, 20 rounds", "NO_REGRESSION", at_most=0.05, rounds=20, slower=0.05, slower_cells=1
    )
    yield Case(
        "one cell +10 %, margin 10 %, looks",
        "NO_REGRESSION",
        at_most=0.05,
        rounds=LOOKS[-1],
        looks=LOOKS,
        slower=0.10,
        slower_cells=1,
        margin=0.10,
    )
    for rounds in (5, 10, 20):
        yield Case(f"A/A, correlated, {rounds} rounds", at_most=0.015, rounds=rounds, serial=0.3)
    yield Case("A/A, correlated, looks", at_most=0.015, serial=0.3, rounds=LOOKS[-1], looks=LOOKS)
    yield Case("A/A, outliers, looks", at_most=0.015, outliers=0.03, rounds=LOOKS[-1], looks=LOOKS)
    for rounds in (5, 20):
        yield Case(f"A/A, both, {rounds} rounds", at_most=0.015, rounds=rounds, serial=0.3, outliers=0.03)
    yield Case("A/A, both, looks", at_most=0.015, serial=0.3, outliers=0.03, rounds=LOOKS[-1], looks=LOOKS)
    sweeps = Case("", part=LATENCY_SHARE)
    for rounds in (5, 10, 20):
        yield replace(sweeps, name=f"of sweeps: A/A, {rounds} rounds", at_most=0.01, rounds=rounds)
    looked = replace(sweeps, rounds=LOOKS[-1], looks=LOOKS)
    yield replace(looked, name="of sweeps: A/A, looks", at_most=0.01)
    yield replace(looked, name="of sweeps: A/A, correlated, looks", at_most=0.015, serial=0.3)
    yield replace(looked, name="of sweeps: A/A, both, looks", at_most=0.015, serial=0.3, outliers=0.03)
    yield replace(sweeps, name="of sweeps: +20 %, 5 rounds", at_least=0.95, slower=0.20)
    yield replace(looked, name="of sweeps: +10 %, looks", at_least=0.98, slower=0.10)
    # No requirement: what the allowance for correlation is good for, what it costs, and what can be found.
    yield Case("not allowed for: A/A, looks", allowed_for=0.0, rounds=LOOKS[-1], looks=LOOKS)
    yield Case("not allowed for: A/A, correlated, looks", allowed_for=0.0, serial=0.3, rounds=LOOKS[-1], looks=LOOKS)
    yield Case("not allowed for: +20 %, 5 rounds", allowed_for=0.0, slower=0.20)
    yield Case("not allowed for: +10 %, looks", allowed_for=0.0, slower=0.10, rounds=LOOKS[-1], looks=LOOKS)
    yield Case("power, both: +20 %, 5 rounds", slower=0.20, serial=0.3, outliers=0.03)
    yield Case("power, both: +10 %, looks", slower=0.10, serial=0.3, outliers=0.03, rounds=LOOKS[-1], looks=LOOKS)
    for slower in (0.05, 0.10, 0.15):
        for rounds in (5, 10, 20):
            yield Case(f"power: +{slower:.0%}, {rounds} rounds", slower=slower, rounds=rounds)
    for slower in (0.10, 0.20):
        for rounds in (5, 10, 20):
            yield Case(f"power: one cell +{slower:.0%}, {rounds} rounds", slower=slower, slower_cells=1, rounds=rounds)


def deviations(repetitions: int, rounds: int, serial: float, rng: np.random.Generator) -> Floats:
    """Return deviations of variance 1, of shape (repetitions, cells, rounds), correlated by `SHARED_BY_CELLS`."""
    common, own = (rng.standard_normal((repetitions, cells, rounds)) for cells in (1, len(ENDPOINT)))
    drawn: Floats = np.sqrt(SHARED_BY_CELLS) * common + np.sqrt(1 - SHARED_BY_CELLS) * own
    for at in range(1, rounds):
        drawn[..., at] = serial * drawn[..., at - 1] + np.sqrt(1 - serial**2) * drawn[..., at]
    return drawn


def simulate(case: Case, repetitions: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the logarithms of baseline and candidate, each of shape (repetitions, cells, rounds)."""
    shared = SHARED_BY_PAIRS if case.paired else 0.0
    common = deviations(repetitions, case.rounds, case.serial, rng) if shared else 0.0

    def side() -> Floats:
        own = deviations(repetitions, case.rounds, case.serial, rng)
        outliers = rng.random((repetitions, 1, case.rounds)) < case.outliers
        logs: Floats = case.cv * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own) + np.log(OUTLIER) * outliers
        return logs

    baseline, candidate = side(), side()
    candidate[:, : case.slower_cells] += np.log1p(case.slower)
    return baseline, candidate


def measure(case: Case, repetitions: int, rng: np.random.Generator) -> Figures:
    """Compare two systems so many times, at each look until there is a verdict."""
    baseline, candidate = simulate(case, repetitions, rng)
    outcome = np.full(repetitions, OUTCOMES.index("INCONCLUSIVE"))
    rounds = np.full(repetitions, case.rounds)
    for look in case.looks or (case.rounds,):
        open_ = np.flatnonzero(outcome == OUTCOMES.index("INCONCLUSIVE"))
        decision = decide(baseline[open_, :, :look], candidate[open_, :, :look], ENDPOINT, case.rules)
        for name, reached in (("NO_REGRESSION", decision.passed), ("REGRESSION", decision.regression)):
            outcome[open_[reached]] = OUTCOMES.index(name)
            rounds[open_[reached]] = look
    counts = np.bincount(outcome, minlength=len(OUTCOMES)).tolist()
    hits = counts[OUTCOMES.index(case.outcome)]
    bounds = rate_bounds(hits, repetitions)
    required = f">= {case.at_least:.0%}" if case.at_least else f"<= {case.at_most:.1%}" if case.at_most < 1 else ""
    return Figures(
        case=case.name,
        design="paired" if case.paired else "independent",
        repetitions=repetitions,
        regression=counts[0],
        no_regression=counts[1],
        inconclusive=counts[2],
        judged=case.outcome,
        required=required,
        low=bounds.low or 0.0,
        high=1.0 if bounds.high is None else bounds.high,
        mean_rounds=float(rounds.mean()),
        met=case.at_least <= hits / repetitions <= case.at_most,
    )


def runs_needed(case: Case, repetitions: int, seed: int) -> str:
    """Return the smallest number of runs a side with which 95 % of comparisons come out as `case.outcome`."""
    for rounds in [*range(3, 31), *range(32, MAX_ROUNDS + 1, 4)]:
        one = measure(replace(case, rounds=rounds), repetitions, np.random.default_rng([seed, rounds]))
        hits = one.regression if case.outcome == "REGRESSION" else one.no_regression
        if hits >= 0.95 * repetitions:
            return str(rounds)
    return f"> {MAX_ROUNDS}"


def print_runs_needed(repetitions: int, seed: int) -> None:
    """Print how many runs a side it takes to find a change, and to show that there is none."""
    passes = "NO_REGRESSION"
    sought = [
        *(Case(f"{slower:+.0%}", slower=slower) for slower in (0.05, 0.10, 0.20)),
        *(Case(f"one cell {slower:+.0%}", slower=slower, slower_cells=1) for slower in (0.10, 0.20)),
        *(Case(f"equal, margin {margin:.0%}", passes, margin=margin) for margin in (0.05, 0.10)),
    ]
    print(f"{machine()}\nruns a side for 95 % of {repetitions} comparisons\n")
    print(f"{'CV':<5}{'design':<13}" + "".join(f"{case.name:>19}" for case in sought))
    for cv in (0.02, 0.05, 0.10):
        for paired in (False, True):
            found = [runs_needed(replace(case, cv=cv, paired=paired), repetitions, seed) for case in sought]
            design = "paired" if paired else "independent"
            print(f"{cv:<5.0%}{design:<13}" + "".join(f"{one:>19}" for one in found), flush=True)


def main() -> None:
    """Measure, print a table, and write it as CSV where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    parser.add_argument("--repetitions", type=int, default=2000, help="comparisons of each case")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs-needed", action="store_true", help="how many runs it takes, instead")
    options = parser.parse_args()
    if options.runs_needed:
        print_runs_needed(options.repetitions, options.seed)
        return
    start = time.perf_counter()
    print(f"{machine()}\n{options.repetitions} comparisons of each case; one-sided 95 % bounds of the judged rate\n")
    print(f"{'case':<42}{'design':<13}{'REGR.':>6}{'NO R.':>6}{'INC.':>6}  {'judged':<14}{'must be':<9}", end="")
    print(f"{'rate':>7}{'bounds':>18}{'rounds':>8}")
    table: list[Figures] = []
    for paired in (False, True):
        for number, case in enumerate(_cases()):
            if options.only not in case.name:
                continue
            # Each case has its own stream, so that it comes out the same by itself.
            rng = np.random.default_rng([options.seed, number, paired])
            one = measure(replace(case, paired=paired), options.repetitions, rng)
            table.append(one)
            hits = dict(zip(OUTCOMES, (one.regression, one.no_regression, one.inconclusive), strict=True))[one.judged]
            print(
                f"{one.case:<42}{one.design:<13}{one.regression:>6}{one.no_regression:>6}{one.inconclusive:>6}", end=""
            )
            print(f"  {one.judged:<14}{one.required:<9}{hits / one.repetitions:>7.2%}", end="")
            print(f"  {one.low:>6.2%} to {one.high:>6.2%}{one.mean_rounds:>8.1f}", end="")
            print("" if one.met else "  MISSED", flush=True)
    print(f"\n{sum(not one.met for one in table)} requirements missed, {time.perf_counter() - start:.0f} s")
    if options.csv:
        write_csv(options.csv, [asdict(one) for one in table])


if __name__ == "__main__":
    main()
