"""Objectives on a percentile of latency."""

from __future__ import annotations

from dataclasses import replace

from perflab.analyse.intervals import rate_bounds
from perflab.analyse.judge.judgement import Judgement, Observed, judged, nothing_to_judge
from perflab.plan.objectives import Objective
from perflab.vocabulary.metric import percentile_of


def judge(objective: Objective, observed: Observed) -> Judgement:
    """Judge a percentile of the successful requests and of those that were never answered."""
    q = percentile_of(objective.metric).q
    estimate = observed.latency.percentile(q)
    if not estimate.samples:
        return nothing_to_judge("no request succeeded, so there is no latency to judge")
    within = observed.latency.distribution.within(objective.limit) / estimate.samples

    def settled(factor: float) -> bool:
        # The percentile is within the limit exactly when at least the share q of all requests is. How far the share
        # above a latency reaches is known at the percentile.
        exact = rate_bounds(within * estimate.samples * factor, estimate.samples * factor)
        shrunk = estimate.reach.shrunk(factor) / estimate.samples
        above = estimate.reach.above if within < 1 else estimate.reach.plain
        met = exact.low is not None and exact.low >= q and within >= q + above * shrunk
        missed = exact.high is not None and exact.high < q and within < q - estimate.reach.below * shrunk
        return met or missed

    return replace(judged(objective, estimate, settled, observed.seconds), clock=observed.clock)


def fails_too_often(objective: Objective, observed: Observed) -> bool:
    """Say whether fewer of all requests, failures included, succeeded within a latency's limit than its percentile."""
    q = objective.percentile
    return q is not None and observed.latency.distribution.within(objective.limit) < q * observed.requests
