"""From effects to a verdict whose error rates are known.

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

from dataclasses import dataclass

import numpy as np

from perflab.analyse.comparison.effects import Effects, effects, indices
from perflab.analyse.summary import Bools, Floats, Ints
from perflab.plan.ab import ALPHA, MARGIN

# The probability of NO_REGRESSION where the truth is at the margin; each bound of an interval is missed as often.
MISSED = 0.05
# What part of alpha is for endpoints; the rest is for cells. A change usually hits all cells of an endpoint.
ENDPOINTS_PART = 0.9
# How alike successive runs are taken to be. Less than the .3 that the error rates are shown to hold for, because Holm's
# procedure leaves room where cells are correlated, as cells of one run are.
SERIAL_CORRELATION = 0.2


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed to happen how often; set before the runs are made.

    `looks` is how often the runs are compared at most, each time with the same part of `alpha` and `MISSED`.
    """

    paired: bool = False
    margin: float = MARGIN
    alpha: float = ALPHA
    looks: int = 1
    serial_correlation: float = SERIAL_CORRELATION

    @property
    def bound_level(self) -> float:
        """How often a bound of an interval may be missed at one look."""
        return MISSED / self.looks


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
    compared = effects(baseline, candidate, paired=rules.paired, serial_correlation=rules.serial_correlation)
    assessable = compared.assessable.reshape(-1, len(endpoint)).all(axis=0)
    members = [(endpoint == one) & assessable for one in range(endpoint.max(initial=-1) + 1)]
    members = [cells if cells.any() else endpoint == one for one, cells in enumerate(members)]
    means = [indices(side, members) for side in (baseline, candidate)]
    of_endpoints = effects(*means, paired=rules.paired, serial_correlation=rules.serial_correlation)
    # Where each endpoint is one cell, the two kinds of hypotheses are the same and nothing needs to be split.
    split = any(cells.sum() > 1 for cells in members)
    endpoints = _test(of_endpoints, rules, ENDPOINTS_PART if split else 1.0)
    cells = _test(compared, rules, 1 - ENDPOINTS_PART if split else 1.0)
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


def _test(compared: Effects, rules: Rules, part: float) -> Tested:
    share = part / rules.looks
    p_slower, p_faster = (np.minimum(holm(p) / share, 1) for p in (compared.p_slower(), compared.p_faster()))
    low, high = compared.bounds(rules.bound_level)
    slower, faster = p_slower <= rules.alpha, p_faster <= rules.alpha
    within = high < np.log1p(rules.margin)
    return Tested(compared, p_slower, p_faster, low, high, slower, faster, within, rules.alpha * share)
