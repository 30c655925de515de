"""Verdicts in words: one line each, with the group, the level, the measured and the allowed value."""

from __future__ import annotations

import math

from perflab.analyse.judge import Judgement, settles
from perflab.plan.objectives import Objective
from perflab.vocabulary.level import Level
from perflab.vocabulary.number import thousands
from perflab.vocabulary.verdict import Verdict


def reason(objective: Objective, level: Level, judgement: Judgement) -> str:
    """Return why an objective is not passed, on one line."""
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
