"""Judging one objective on what was observed, each kind of metric in a way of its own.

A new kind of objective is a metric among `METRICS` in `perflab.vocabulary.metric` and a function here, which takes the
objective and what was observed, and returns a `Judgement`; `JUDGES` has it by the metric's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from perflab.analyse.bounds import share_bounds, share_of, throughput_bounds, throughput_of
from perflab.analyse.intervals import rate_bounds
from perflab.analyse.judgement import Judgement, is_open, judged, judgement_of, nothing_to_judge
from perflab.analyse.observed import Observed
from perflab.plan.objectives import Group, Objective
from perflab.vocabulary.metric import ERROR_RATE, SUCCESS_RATE, THROUGHPUT, percentile_of
from perflab.vocabulary.verdict import Verdict


def judge(objective: Objective, group: Group, observed: Observed) -> Judgement:
    """Judge one objective on what was observed of its group."""
    if not observed.requests:
        patterns = objective.endpoints or group.endpoints
        seen = f"; {observed.instead}" if observed.instead else ""
        return nothing_to_judge(
            f"no request of the steady window matches {' or '.join(patterns)} of [{group.name}]: check its endpoints, "
            f"or measure longer{seen}"
        )
    return JUDGES.get(objective.metric, _judge_percentile)(objective, observed)


def fails_too_often(objective: Objective, observed: Observed) -> bool:
    """Say whether fewer of all requests, failures included, succeeded within a latency's limit than its percentile."""
    q = objective.percentile
    return q is not None and observed.latency.distribution.within(objective.limit) < q * observed.requests


def _judge_rate(objective: Objective, observed: Observed) -> Judgement:
    hits = observed.ok if objective.metric == SUCCESS_RATE.name else observed.failed
    estimate = share_of(hits, observed.ok + observed.failed, observed.latency.lengths)
    if estimate.value == objective.limit and objective.limit in (0.0, 1.0) and is_open(estimate.bounds, objective):
        advice = f"no number of requests proves a rate of exactly {objective.limit:g}: leave a little room in the limit"
        return judgement_of(estimate, Verdict.INCONCLUSIVE, advice)

    def settled(factor: float) -> bool:
        return not is_open(share_bounds(estimate.value, estimate.samples, estimate.reach, factor), objective)

    return judged(objective, estimate, settled, observed.seconds)


def _judge_throughput(objective: Objective, observed: Observed) -> Judgement:
    # Of successful requests: a service that refuses quickly must not meet an objective of how much it does.
    estimate = throughput_of(observed.ok, observed.latency.lengths)
    if not estimate.samples and is_open(estimate.bounds, objective):
        return judgement_of(estimate, Verdict.INCONCLUSIVE, "no request succeeded: measure longer")

    def settled(factor: float) -> bool:
        return not is_open(throughput_bounds(estimate.value, observed.seconds, estimate.reach, factor), objective)

    return judged(objective, estimate, settled, observed.seconds)


def _judge_percentile(objective: Objective, observed: Observed) -> Judgement:
    # Of the successful requests and of those that were never answered.
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


JUDGES: dict[str, Callable[[Objective, Observed], Judgement]] = {
    SUCCESS_RATE.name: _judge_rate,
    ERROR_RATE.name: _judge_rate,
    THROUGHPUT.name: _judge_throughput,
}
"""By the metric's name; all others are percentiles."""
