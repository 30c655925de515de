"""Objectives on the share of requests that succeed or fail."""

from __future__ import annotations

from perflab.analyse.bounds import share_bounds, share_of
from perflab.analyse.judge.judgement import Judgement, Observed, is_open, judged, judgement_of
from perflab.plan.objectives import Objective
from perflab.vocabulary.metric import SUCCESS_RATE
from perflab.vocabulary.verdict import Verdict


def judge(objective: Objective, observed: Observed) -> Judgement:
    """Judge a success rate or an error rate."""
    hits = observed.ok if objective.metric == SUCCESS_RATE.name else observed.failed
    estimate = share_of(hits, observed.ok + observed.failed, observed.latency.lengths)
    if estimate.value == objective.limit and objective.limit in (0.0, 1.0) and is_open(estimate.bounds, objective):
        advice = f"no number of requests proves a rate of exactly {objective.limit:g}: leave a little room in the limit"
        return judgement_of(estimate, Verdict.INCONCLUSIVE, advice)

    def settled(factor: float) -> bool:
        return not is_open(share_bounds(estimate.value, estimate.samples, estimate.reach, factor), objective)

    return judged(objective, estimate, settled, observed.seconds)
