"""A verdict on one objective with its evidence: by interval, in words, and with how much more would settle it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from perflab.analyse.bounds import Estimate
from perflab.analyse.dependence import Reach
from perflab.analyse.intervals import Bounds
from perflab.plan.objectives import Objective
from perflab.vocabulary.level import Level
from perflab.vocabulary.number import thousands
from perflab.vocabulary.verdict import Verdict

MAX_ADVICE_S = 3600.0
MAX_RUNS_ADVISED = 20
TOO_CLOSE = "it lies too close to the limit to be settled within an hour"
RUNS_DIFFER = "repeated runs differ too much for 20 more of them to settle it: find out why they do"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its evidence, in the objective's unit; NaN where there is no value or no bound."""

    measured: float
    bounds: Bounds
    samples: int
    effective: float | None
    """How many independent requests would tell as much; None where nothing shows how these depend on each other."""
    verdict: Verdict
    advice: str
    clock: str = ""
    """Whose time it is, if it is made of latencies: wire, client, or wire and client."""
    unsteady: bool = False
    """It would be passed if what was measured had been steady."""


def settles(bounds: Bounds, objective: Objective) -> Verdict:
    """Return PASS or FAIL if the interval lies wholly on one side of the limit, else INCONCLUSIVE."""
    low = -math.inf if bounds.low is None else bounds.low
    high = math.inf if bounds.high is None else bounds.high
    if objective.bound == "at_least":
        right, wrong = low >= objective.limit, high < objective.limit
    else:
        right, wrong = high <= objective.limit, low > objective.limit
    return Verdict.PASS if right else Verdict.FAIL if wrong else Verdict.INCONCLUSIVE


def is_open(bounds: Bounds, objective: Objective) -> bool:
    """Say whether an interval holds the limit."""
    return settles(bounds, objective) == Verdict.INCONCLUSIVE


def judged(objective: Objective, estimate: Estimate, settled: Callable[[float], bool], seconds: float) -> Judgement:
    """Return the judgement on an estimate from so many seconds; `settled` tells if so many times as much would do."""
    verdict = settles(estimate.bounds, objective)
    advice = "" if verdict != Verdict.INCONCLUSIVE else _advise(settled, estimate.reach, seconds)
    return judgement_of(estimate, verdict, advice)


def judgement_of(estimate: Estimate, verdict: Verdict, advice: str) -> Judgement:
    """Return a verdict with an estimate as its evidence."""
    return Judgement(estimate.value, estimate.bounds, estimate.samples, estimate.effective, verdict, advice)


def nothing_to_judge(advice: str) -> Judgement:
    """Return the judgement on no sample."""
    return Judgement(math.nan, Bounds(None, None), 0, None, Verdict.INCONCLUSIVE, advice)


def reason(objective: Objective, level: Level, judgement: Judgement) -> str:
    """Return why an objective is not passed, on one line: with its group and level, what was measured and allowed."""
    metric, bounds = objective.definition, judgement.bounds
    what = f"{objective.group} {objective.words} at {level}"
    if not judgement.samples and judgement.verdict != Verdict.FAIL:
        return f"{what}: {judgement.advice}"
    known = bounds.low is not None or bounds.high is not None
    evidence = metric.amount(judgement.measured) + (f" ({metric.interval(bounds.low, bounds.high)})" if known else "")
    allowed = f"the allowed {metric.amount(objective.limit)}"
    count = f"{thousands(judgement.samples)} requests{effective(judgement.effective)}"
    if judgement.verdict == Verdict.FAIL:
        side = "below" if objective.bound == "at_least" else "above"
        return f"{what}: {evidence} is {side} {allowed}, {count if judgement.samples else 'no request succeeded'}"
    if settles(judgement.bounds, objective) == Verdict.PASS:
        return f"{what}: {evidence} meets {allowed} with {count}, but {judgement.advice}"
    return f"{what}: {evidence} can't be told from {allowed} with {count}; {judgement.advice}"


def effective(samples: float | None) -> str:
    """Return what follows a number of requests: how many independent ones would tell as much."""
    if samples is None or math.isnan(samples):
        return ", taken as independent"
    return f", {thousands(samples)} effective"


def _advise(settled: Callable[[float], bool], reach: Reach, seconds: float) -> str:
    """Say how much longer to measure, or how many more runs to make where their differences decide."""
    if math.isinf(reach.above):
        return "a single second can't tell how its requests depend on each other: measure longer"
    if runs := reach.runs:
        more = next((more for more in range(1, MAX_RUNS_ADVISED + 1) if settled((runs + more) / runs)), None)
        if more is None:
            return RUNS_DIFFER
        return f"about {more} more repeat{'s' * (more > 1)} would probably settle it"
    reachable = 1 + MAX_ADVICE_S / seconds
    if not settled(reachable):
        return TOO_CLOSE
    # More seconds of the same kind only narrow the interval, so the border can be found by halving.
    low, high = 1.0, reachable
    while (high - low) * seconds > 0.05:
        middle = (low + high) / 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return f"about {_duration((high - 1) * seconds)} more would probably settle it"


def _duration(seconds: float) -> str:
    """Return seconds rounded up as one would say them: 5 s, 40 s, 3 min."""
    if seconds <= 60:
        return f"{max(math.ceil(seconds / 5) * 5, 5)} s"
    if seconds <= 600:
        return f"{math.ceil(seconds / 10) * 10} s"
    return f"{math.ceil(seconds / 60)} min"
