"""Verdicts in words: one line each, with the group, the level, the measured and the allowed value."""

from __future__ import annotations

import math

from perflab.analyse.judge import Judgement, settles
from perflab.plan.objectives import Objective


def reason(objective: Objective, users: int, judgement: Judgement) -> str:
    """Return why an objective is not passed, on one line."""
    of = f" of {' or '.join(objective.endpoints)}" if objective.endpoints else ""
    what = f"{objective.group} {_name(objective)}{of} at {users} users"
    if not judgement.samples and judgement.verdict != "FAIL":
        return f"{what}: {judgement.advice}"
    evidence = f"{_amount(objective, judgement.measured)}{_interval(objective, judgement)}"
    allowed = f"the allowed {_amount(objective, objective.limit)}"
    count = f"{thousands(judgement.samples)} requests{effective(judgement.effective)}"
    if judgement.verdict == "FAIL":
        side = "below" if objective.bound == "at_least" else "above"
        return f"{what}: {evidence} is {side} {allowed}, {count if judgement.samples else 'no request succeeded'}"
    if settles(judgement.bounds, objective) == "PASS":
        return f"{what}: {evidence} meets {allowed} with {count}, but {judgement.advice}"
    return f"{what}: {evidence} can't be told from {allowed} with {count}; {judgement.advice}"


def effective(samples: float | None) -> str:
    """Return what follows a number of requests: how many independent ones would tell as much."""
    if samples is None or math.isnan(samples):
        return ", taken as independent"
    return f", {thousands(round(samples))} effective"


def _name(objective: Objective) -> str:
    if objective.percentile is not None:
        return objective.metric.removesuffix("_ms")
    return {"throughput_rps": "throughput"}.get(objective.metric, objective.metric.replace("_", " "))


def _interval(objective: Objective, judgement: Judgement) -> str:
    low, high = judgement.bounds.low, judgement.bounds.high
    scale = 100 if _is_rate(objective) else 1
    if low is not None and high is not None:
        return f" ({_number(low * scale)} to {_number(high * scale)})"
    if low is not None:
        return f" (at least {_number(low * scale)})"
    return f" (at most {_number(high * scale)})" if high is not None else ""


def _amount(objective: Objective, value: float) -> str:
    if _is_rate(objective):
        return f"{_number(100 * value)} %"
    return f"{_number(value)} {'ms' if objective.percentile is not None else 'requests/s'}"


def _is_rate(objective: Objective) -> bool:
    return objective.metric.endswith("_rate")


def _number(value: float) -> str:
    """Return four significant digits, or all of a larger number's whole ones, without trailing zeros."""
    if not math.isfinite(value):
        return "\N{INFINITY}" if value > 0 else "nothing"
    if abs(value) >= 1000:
        return thousands(round(value))
    text = f"{value:.4g}"
    return f"{value:.6f}".rstrip("0").rstrip(".") if "e" in text else text


def thousands(value: int) -> str:
    """Return a whole number with spaces between its thousands."""
    return f"{value:,}".replace(",", " ")
