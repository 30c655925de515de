"""Objectives on successful requests per second."""

from __future__ import annotations

from perflab.analyse.bounds import throughput_bounds, throughput_of
from perflab.analyse.judge.judgement import Judgement, Observed, is_open, judged, judgement_of
from perflab.plan.objectives import Objective
from perflab.vocabulary.verdict import Verdict


def judge(objective: Objective, observed: Observed) -> Judgement:
    """Judge a throughput: a service that refuses quickly must not meet an objective of how much it does."""
    estimate = throughput_of(observed.ok, observed.latency.lengths)
    if not estimate.samples and is_open(estimate.bounds, objective):
        return judgement_of(estimate, Verdict.INCONCLUSIVE, "no request succeeded: measure longer")

    def settled(factor: float) -> bool:
        return not is_open(throughput_bounds(estimate.value, observed.seconds, estimate.reach, factor), objective)

    return judged(objective, estimate, settled, observed.seconds)
