"""Judging one objective on what was observed: each kind of metric has its module, registered here.

A new kind of objective is a metric in `perflab.vocabulary.metric` and a module with a function ``judge``, which takes
the objective and what was observed, and returns a `Judgement`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perflab.analyse.judge import percentile, rate, throughput
from perflab.analyse.judge.judgement import TOO_CLOSE, Judgement, Observed, nothing_to_judge, settles
from perflab.analyse.judge.percentile import fails_too_often
from perflab.plan.objectives import Group, Objective
from perflab.vocabulary.metric import ERROR_RATE, SUCCESS_RATE, THROUGHPUT, Metric, Percentile

__all__ = ["TOO_CLOSE", "Judgement", "Observed", "fails_too_often", "judge", "settles"]

Judge = Callable[[Objective, Observed], Judgement]
_BY_NAME: Mapping[str, Judge] = {
    SUCCESS_RATE.name: rate.judge,
    ERROR_RATE.name: rate.judge,
    THROUGHPUT.name: throughput.judge,
}
_BY_TYPE: Mapping[type[Metric], Judge] = {Percentile: percentile.judge}
"""Of metrics whose name has a number in it."""


def judge(objective: Objective, group: Group, observed: Observed) -> Judgement:
    """Judge one objective on what was observed of its group."""
    if not observed.requests:
        patterns = objective.endpoints or group.endpoints
        seen = f"; {observed.instead}" if observed.instead else ""
        return nothing_to_judge(
            f"no request of the steady window matches {' or '.join(patterns)} of [{group.name}]: check its endpoints, "
            f"or measure longer{seen}"
        )
    metric = objective.definition
    return (_BY_TYPE.get(type(metric)) or _BY_NAME[metric.name])(objective, observed)
