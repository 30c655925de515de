"""How many more runs would probably settle an open comparison."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import special

from perflab.analyse.comparison.decision import Decision, Rules, Tested

MAX_RUNS = 200
# How likely the verdict should be by then, for each of the bounds it hangs on.
POWER = 0.8


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
