"""Figures and verdicts in words, for results that people read without a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from perflab.analyse.wording import effective
from perflab.vocabulary.metric import SIGNS, Bound, metric_of
from perflab.vocabulary.number import thousands

if TYPE_CHECKING:
    from perflab.report.metrics import Objective


def what(objective: Objective) -> str:
    """Return what an objective limits: success rate, p95, throughput of POST /orders."""
    of = f" of {' or '.join(objective.endpoints)}" if objective.endpoints else ""
    return metric_of(objective.metric).words + of


def limit(objective: Objective, signs: Mapping[Bound, str] = SIGNS) -> str:
    """Return an objective's limit with its sign."""
    return metric_of(objective.metric).limit(objective.bound, objective.limit, signs)


def measured(objective: Objective) -> str:
    """Return the measured value with its unit."""
    if objective.measured is not None:
        return metric_of(objective.metric).amount(objective.measured)
    return "never answered" if objective.samples else "nothing measured"


def evidence(objective: Objective) -> tuple[str, str]:
    """Return the bounds of the measured value, and the requests behind it.

    With these is said how many independent ones would tell as much, and their clock if it is not the wire's.
    """
    bounds = metric_of(objective.metric).interval(objective.low, objective.high)
    clock = f", {objective.clock} clock" if objective.clock not in (None, "wire") else ""
    known = effective(objective.effective_samples) if objective.samples else ""
    return bounds, f"{thousands(objective.samples)} requests{known}{clock}"
