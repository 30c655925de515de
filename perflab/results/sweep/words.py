"""An objective and what was judged of it in words, as every rendering of a sweep's document has them."""

from __future__ import annotations

from collections.abc import Mapping

from perflab.analyse.judgement import effective
from perflab.results.sweep.document import Objective
from perflab.vocabulary.metric import SIGNS, Bound, metric_of
from perflab.vocabulary.number import thousands


def metric(objective: Objective) -> str:
    """Return what an objective's metric is called: success rate, p95, throughput."""
    return metric_of(objective.metric).called(objective.parameters)


def what(objective: Objective) -> str:
    """Return what an objective limits: success rate, p95, throughput of POST /orders."""
    of = f" of {' or '.join(objective.endpoints)}" if objective.endpoints else ""
    return metric(objective) + of


def limit(objective: Objective, signs: Mapping[Bound, str] = SIGNS) -> str:
    """Return an objective's limit with its sign."""
    return metric_of(objective.metric).limit(objective.bound, objective.limit, signs)


def measured(objective: Objective) -> str:
    """Return the measured value with its unit."""
    if objective.measured is None:
        return "nothing measured"
    # A request that was never answered takes for ever.
    never = objective.measured == float("inf")
    return "never answered" if never else metric_of(objective.metric).amount(objective.measured)


def bounds(objective: Objective) -> str:
    """Return the bounds of the measured value, as far as they are known."""
    return metric_of(objective.metric).interval(objective.low, objective.high)


def requests(objective: Objective) -> str:
    """Return the requests behind it, how many independent ones would tell as much, and a clock other than the wire."""
    clock = f", {objective.clock} clock" if objective.clock not in (None, "wire") else ""
    known = effective(objective.effective_samples) if objective.samples else ""
    return f"{thousands(objective.samples)} requests{known}{clock}"
