"""From run-level figures to a verdict whose error rates are known.

The run is the replicate. Requests of one run share the machine and its moment; however many there are, they are one
observation of both. Arrays are logarithms of the shape (..., cells, runs); a run without a value in a cell is NaN.

REGRESSION    something is significantly slower, and it is not shown to be within the margin
NO_REGRESSION every cell is shown to be within the margin
INCONCLUSIVE  anything else

A false REGRESSION has a probability of at most `alpha`, over all cells, endpoints and looks. `alpha` is split between
the looks, then between endpoints and cells, and within each of the two Holm's procedure applies (Scandinavian
Journal of Statistics 1979). NO_REGRESSION demands of every single cell that its upper bound be within the margin: if
one of them lies at the margin in truth, that bound alone errs in at most `MISSED` of comparisons, and the other demands
can only lower this (an intersection-union test, Berger 1982), so the number of cells needs no correction. The number
of looks does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from perflab.analyse.summary import Bools, Floats, Ints
from perflab.errors import UsageError
from perflab.plan.ab import ALPHA, MARGIN

# The probability of NO_REGRESSION where the truth is at the margin; each bound of an interval is missed as often.
MISSED = 0.05
# What share of alpha is for endpoints; the rest is for cells. A change usually hits all cells of an endpoint.
ENDPOINTS_SHARE = 0.9
# What share is for each part of a comparison of sweeps: a false REGRESSION is to happen in at most alpha of them,
# whatever it is found in. Most of it where most is sought: with 0.8 for latency, +20 % on one endpoint is found in 94 %
# of comparisons of 5 runs a side, with 0.95 in 95.5 %.
LATENCY_SHARE, THROUGHPUT_SHARE, FAILURES_SHARE = 0.95, 0.025, 0.025
# How alike successive runs are taken to be. Less than the .3 that the error rates are shown to hold for, because Holm's
# procedure leaves room where cells are correlated, as cells of one run are.
SERIAL_CORRELATION = 0.2
# Recorded percentiles lie in buckets 1 % wide, so runs that agree exactly are known no better than this, relatively.
RESOLUTION = 0.01 / np.sqrt(12)
# The most runs a side that are looked ahead to, and how likely the verdict should be by then, for each of the bounds
# it hangs on.
MAX_RUNS, POWER = 200, 0.8


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed to happen how often; all of it is set before the runs are made.

    `looks` are the numbers of runs a side at which they are compared until there is a verdict, each time with the same
    part of `alpha` and `MISSED`; none: they are compared once. `look` is the present one, None: as many as there are.
    """

    paired: bool = False
    margin: float = MARGIN
    alpha: float = ALPHA
    looks: tuple[int, ...] = ()
    look: int | None = None
    serial_correlation: float = SERIAL_CORRELATION

    @property
    def chances(self) -> int:
        """How often the two are compared at most."""
        return len(self.looks) or 1

    @property
    def bound_level(self) -> float:
        """How often a bound of an interval may be missed at one look."""
        return MISSED / self.chances


def make_rules(
    *,
    paired: bool,
    margin: float,
    alpha: float,
    looks: Sequence[int] | None,
    look: int | None,
    serial_correlation: float = SERIAL_CORRELATION,
) -> Rules:
    """Return the rules that these options set; raises UsageError for one out of range."""
    if not 0 <= margin <= 1:
        raise UsageError(f"margin is {margin}: it is a fraction from 0 to 1, such as 0.05 for 5 %")
    if not 0 < alpha <= 0.05:
        raise UsageError(f"alpha is {alpha}: it is a probability above 0 and at most 0.05, such as 0.01")
    if not 0 <= serial_correlation < 1:
        raise UsageError(f"serial_correlation is {serial_correlation}: it is at least 0 and less than 1, such as 0.2")
    if looks is None and look is not None:
        raise UsageError(f"look is {look}, but no looks are set: name all of them, such as looks=(5, 10, 15, 20)")
    if looks is not None and (not looks or list(looks) != sorted(set(looks)) or looks[0] < 2):
        raise UsageError(f"looks are {tuple(looks)}: they are numbers of runs a side, from 2, each more than the last")
    return Rules(paired, margin, alpha, tuple(looks or ()), look, serial_correlation)


@dataclass(frozen=True, slots=True)
class Effects:
    """Differences candidate minus baseline of mean logarithms, of shape (..., hypotheses); NaN: not to be had.

    `error` is the standard error, `freedom` the degrees of freedom of its t distribution.
    """

    difference: Floats
    error: Floats
    freedom: Floats

    @property
    def assessable(self) -> Bools:
        """Which have enough runs for a standard error."""
        return np.isfinite(self.error)

    def p_slower(self) -> Floats:
        """Return the one-sided p-values against "the candidate is not slower"."""
        p: Floats = special.stdtr(self.freedom, -self.difference / self.error)
        return p

    def p_faster(self) -> Floats:
        """Return the one-sided p-values against "the candidate is not faster"."""
        p: Floats = special.stdtr(self.freedom, self.difference / self.error)
        return p

    def bounds(self, level: float) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of the differences, each missed with the probability `level`."""
        reach = -special.stdtrit(self.freedom, level) * self.error
        return self.difference - reach, self.difference + reach

    def expected(self, runs: float, times: float) -> Effects:
        """Return what to expect with `times` the runs, if the differences stay as they are; `runs` is how many now."""
        freedom = self.freedom * (runs * times - 1) / (runs - 1)
        return Effects(self.difference, self.error / np.sqrt(times), freedom)


def effects(baseline: Floats, candidate: Floats, rules: Rules) -> Effects:
    """Compare logarithms of shape (..., cells, runs); paired, run i of one side belongs to run i of the other.

    Successive runs resemble each other, which makes a mean less certain than its runs' spread tells. The variance is
    widened by what a first-order autoregression with their correlation asks for in a long series; at 5 runs that is
    right within 3 %.
    """
    independent = _paired(candidate - baseline) if rules.paired else _welch(baseline, candidate)
    widening = np.sqrt((1 + rules.serial_correlation) / (1 - rules.serial_correlation))
    return replace(independent, error=independent.error * widening)


def indices(logs: Floats, members: Sequence[Bools]) -> Floats:
    """Return each endpoint's mean logarithm over its cells, of shape (..., endpoints, runs).

    `members` masks the cells of each endpoint. A run that lacks one of the cells has no index: means over different
    cells are not to be compared.
    """
    return np.stack([logs[..., cells, :].mean(axis=-2) for cells in members], axis=-2)


def _welch(baseline: Floats, candidate: Floats) -> Effects:
    mean_0, variance_0, runs_0 = _moments(baseline, RESOLUTION**2)
    mean_1, variance_1, runs_1 = _moments(candidate, RESOLUTION**2)
    part_0, part_1 = variance_0 / runs_0, variance_1 / runs_1
    total = part_0 + part_1
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / (part_0**2 / (runs_0 - 1) + part_1**2 / (runs_1 - 1))
    return Effects(mean_1 - mean_0, np.sqrt(total), freedom)


def _paired(differences: Floats) -> Effects:
    mean, variance, runs = _moments(differences, 2 * RESOLUTION**2)
    return Effects(mean, np.sqrt(variance / runs), np.where(runs > 1, runs - 1, np.nan))


def _moments(logs: Floats, least: float) -> tuple[Floats, Floats, Floats]:
    """Return mean, variance and number of runs; the variance of fewer than 2 runs is NaN."""
    there = np.isfinite(logs)
    runs = there.sum(axis=-1).astype("float64")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(there, logs, 0).sum(axis=-1) / runs
        squares = np.where(there, logs - mean[..., np.newaxis], 0) ** 2
        variance = np.where(runs > 1, np.maximum(squares.sum(axis=-1) / (runs - 1), least), np.nan)
    return mean, variance, runs


@dataclass(frozen=True, slots=True)
class Tested:
    """Hypotheses of one kind, of shape (..., hypotheses): p-values are adjusted for everything, to compare with alpha.

    `low` and `high` bound the difference of logarithms; each is missed in at most `MISSED` of comparisons, all looks
    together, for this hypothesis by itself.
    """

    effects: Effects
    p_slower: Floats
    p_faster: Floats
    low: Floats
    high: Floats
    slower: Bools
    faster: Bools
    within: Bools
    level: float
    """The part of alpha that is for hypotheses of this kind at this look."""

    @property
    def regressed(self) -> Bools:
        """Which are slower and not shown to be within the margin."""
        return self.slower & ~self.within


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, of shape (...), and what it rests on. Neither `regression` nor `passed`: INCONCLUSIVE."""

    cells: Tested
    endpoints: Tested
    regression: Bools
    passed: Bools
    members: list[Bools]
    """The cells that each endpoint's index is made of."""


def decide(baseline: Floats, candidate: Floats, endpoint: Ints, rules: Rules) -> Decision:
    """Compare logarithms of shape (..., cells, runs); `endpoint` holds each cell's endpoint, counted from 0.

    Cells with fewer than 2 runs on a side are left out of their endpoint, and keep the comparison from passing.
    """
    compared = effects(baseline, candidate, rules)
    assessable = compared.assessable.reshape(-1, len(endpoint)).all(axis=0)
    every = [endpoint == number for number in range(endpoint.max(initial=-1) + 1)]
    members = [cells & assessable if (cells & assessable).any() else cells for cells in every]
    of_endpoints = effects(indices(baseline, members), indices(candidate, members), rules)
    # Where each endpoint is one cell, the two kinds of hypotheses are the same and nothing needs to be split.
    split = any(cells.sum() > 1 for cells in members)
    endpoints = _test(of_endpoints, rules, ENDPOINTS_SHARE if split else 1.0)
    cells = _test(compared, rules, 1 - ENDPOINTS_SHARE if split else 1.0)
    return Decision(
        cells=cells,
        endpoints=endpoints,
        regression=np.asarray(cells.regressed.any(axis=-1) | endpoints.regressed.any(axis=-1)),
        passed=np.asarray(cells.within.all(axis=-1)),
        members=members,
    )


def holm(p: Floats) -> Floats:
    """Return Holm's adjusted p-values over the last axis; NaN is no hypothesis, and stays NaN."""
    tested = np.isfinite(p)
    order = np.argsort(np.where(tested, p, np.inf), axis=-1)
    ascending = np.take_along_axis(np.where(tested, p, np.nan), order, axis=-1)
    left = tested.sum(axis=-1, keepdims=True) - np.arange(p.shape[-1])
    stepped = np.minimum(np.maximum.accumulate(ascending * left, axis=-1), 1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, stepped, axis=-1)
    return adjusted


def _test(compared: Effects, rules: Rules, kind_share: float) -> Tested:
    share = kind_share / rules.chances
    p_slower, p_faster = (np.minimum(holm(p) / share, 1) for p in (compared.p_slower(), compared.p_faster()))
    low, high = compared.bounds(rules.bound_level)
    slower, faster = p_slower <= rules.alpha, p_faster <= rules.alpha
    within = high < np.log1p(rules.margin)
    return Tested(compared, p_slower, p_faster, low, high, slower, faster, within, rules.alpha * share)


def additional_runs(decision: Decision, rules: Rules, runs: int, planned: Iterable[int] | None) -> int | None:
    """Return how many runs a side, beyond the present ones, should lead to a verdict if the ratios stay as they are.

    `planned` are the looks to come, None: any number up to `MAX_RUNS` in all. None if none of them would do, or if
    there is nothing yet to go by. An approximation: the estimated ratios are taken for the true ones, and t of more
    runs for its quantile plus a normal deviation.
    """
    if runs < 2 or not decision.cells.effects.assessable.all():
        return None
    numbers = range(runs + 1, MAX_RUNS + 1) if planned is None else planned
    return next((number - runs for number in numbers if _settled(decision, rules, runs, number / runs)), None)


def _settled(decision: Decision, rules: Rules, runs: int, times: float) -> bool:
    chance = special.ndtri(POWER)
    cells = decision.cells.effects.expected(runs, times)
    reach = special.stdtrit(cells.freedom, 1 - rules.bound_level) + chance
    # The slowest of many cells is so by chance for the most part: each is taken to be what its endpoint is.
    difference = cells.difference.copy()
    for of_endpoint, members in zip(decision.endpoints.effects.difference, decision.members, strict=True):
        difference[members] = of_endpoint
    passes = difference + reach * cells.error < np.log1p(rules.margin)
    return bool(passes.all()) or any(
        _regresses(kind, rules, runs, times) for kind in (decision.endpoints, decision.cells)
    )


def _regresses(kind: Tested, rules: Rules, runs: int, times: float) -> bool:
    then = kind.effects.expected(runs, times)
    # The first step of Holm's procedure, the hardest one.
    reach = special.stdtrit(then.freedom, 1 - kind.level / then.assessable.sum()) + special.ndtri(POWER)
    # What is slower by less than the margin will be shown to be within it sooner or later.
    slower = then.difference - reach * then.error > 0
    return bool((slower & (then.difference > np.log1p(rules.margin))).any())


def advice(additional: int | None, rules: Rules, runs: int, what: str) -> str:
    """Return what would probably settle an open comparison of so many runs; `what` they are called: runs a side."""
    if rules.looks and runs >= rules.looks[-1]:
        if additional is None:
            return "all looks are taken, and a new comparison takes longer runs, or a wider margin"
        settled = f"about {additional} more {what} would probably have settled it"
        return f"all looks are taken; {settled}: begin a new comparison"
    if additional is None:
        last = rules.looks[-1] if rules.looks else MAX_RUNS
        return f"not even {last} {what} would probably do; make longer runs, or allow a wider margin"
    return f"about {additional} more {what} would probably settle it"
