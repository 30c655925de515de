"""Judging one objective on what was observed: each kind of metric has its module, registered here.

A new kind of objective is a metric among `METRICS` in `perflab.vocabulary.metric` and a module with a function
``judge``, which takes the objective and what was observed, and returns a `Judgement`; `JUDGES` has it by its name.
"""

from __future__ import annotations

from collections.abc import Callable

from perflab.analyse.judge import percentile, rate, throughput
from perflab.analyse.judge.judgement import TOO_CLOSE, Judgement, Observed, nothing_to_judge, settles
from perflab.analyse.judge.percentile import fails_too_often
from perflab.plan.objectives import Group, Objective
from perflab.vocabulary.metric import ERROR_RATE, SUCCESS_RATE, THROUGHPUT

__all__ = ["JUDGES", "TOO_CLOSE", "Judgement", "Observed", "fails_too_often", "judge", "settles"]

Judge = Callable[[Objective, Observed], Judgement]
JUDGES: dict[str, Judge] = {
    SUCCESS_RATE.name: rate.judge,
    ERROR_RATE.name: rate.judge,
    THROUGHPUT.name: throughput.judge,
}
"""By the metric's name; all others are percentiles."""


def judge(objective: Objective, group: Group, observed: Observed) -> Judgement:
    """Judge one objective on what was observed of its group."""
    if not observed.requests:
        patterns = objective.endpoints or group.endpoints
        seen = f"; {observed.instead}" if observed.instead else ""
        return nothing_to_judge(
            f"no request of the steady window matches {' or '.join(patterns)} of [{group.name}]: check its endpoints, "
            f"or measure longer{seen}"
        )
    return JUDGES.get(objective.metric, percentile.judge)(objective, observed)
