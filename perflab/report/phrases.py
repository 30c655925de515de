"""Figures and verdicts in words, for results that people read without a notebook."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perflab.analyse.wording import effective
from perflab.objectives import Bound

if TYPE_CHECKING:
    from perflab.report.metrics import Objective

_PERCENTILE = re.compile(r"(p[\d.]+)_ms")
_NAMES = {"throughput_rps": "throughput"}


def what(objective: Objective) -> str:
    """Return what an objective limits: success rate, p95, throughput of POST /orders."""
    return metric_name(objective.metric) + (f" of {' or '.join(objective.endpoints)}" if objective.endpoints else "")


def limit(objective: Objective, signs: tuple[str, str] = ("≥", "≤")) -> str:
    """Return an objective's limit with its sign; `signs` are those of at least and at most."""
    of_bound: dict[Bound, str] = {"at_least": signs[0], "at_most": signs[1]}
    return f"{of_bound[objective.bound]} {amount(objective.metric, objective.limit)}"


def measured(objective: Objective) -> str:
    """Return the measured value with its unit."""
    if objective.measured is not None:
        return amount(objective.metric, objective.measured)
    return "never answered" if objective.samples else "nothing measured"


def evidence(objective: Objective) -> tuple[str, str]:
    """Return the bounds of the measured value, and the requests behind it.

    With these is said how many independent ones would tell as much, and their clock if it is not the wire's.
    """
    clock = f", {objective.clock} clock" if objective.clock not in (None, "wire") else ""
    known = effective(objective.effective_samples) if objective.samples else ""
    between = bounds(objective.metric, objective.low, objective.high)
    return between, f"{count(objective.samples)} requests{known}{clock}"


def bounds(metric: str, low: float | None, high: float | None) -> str:
    """Return a metric's bounds with their unit; None is a bound that isn't there."""
    if low is not None and high is not None:
        return f"{figure(metric, low)} to {amount(metric, high)}"
    if low is not None:
        return f"at least {amount(metric, low)}"
    return f"at most {amount(metric, high)}" if high is not None else "no bounds"


def metric_name(metric: str) -> str:
    """Return what a metric is called: p95, success rate, throughput."""
    match = _PERCENTILE.fullmatch(metric)
    return match[1] if match else _NAMES.get(metric, metric.replace("_", " "))


def amount(metric: str, value: float) -> str:
    """Return a metric's value with its unit."""
    unit = "%" if metric.endswith("_rate") else "ms" if metric.endswith("_ms") else "requests/s"
    return f"{figure(metric, value)} {unit}"


def count(value: int) -> str:
    """Return a whole number with spaces between thousands."""
    return f"{value:,}".replace(",", " ")


def figure(metric: str, value: float) -> str:
    """Return a metric's value without its unit, finely enough that a missed limit never looks met."""
    if metric.endswith("_rate"):
        return f"{100 * value:.3f}".rstrip("0").rstrip(".")
    return f"{value:.4g}" if abs(value) < 1000 else count(round(value))
