"""PASS, FAIL or INCONCLUSIVE for one objective, by interval; and how much longer to measure if it is open."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from perflab.analyse.bounds import Estimate, Timed, share_bounds, share_of, throughput_bounds, throughput_of
from perflab.analyse.dependence import Reach
from perflab.analyse.intervals import Bounds, rate_bounds
from perflab.analyse.summary import Floats
from perflab.plan.objectives import Group, Objective
from perflab.vocabulary.verdict import Verdict

LONGEST_ADVICE_S = 3600.0
MOST_RUNS_ADVISED = 20
TOO_CLOSE = "it lies too close to the limit to be settled within an hour"
RUNS_DIFFER = "repeated runs differ too much for 20 more of them to settle it: find out why they do"


@dataclass(frozen=True, slots=True)
class Observed:
    """One group at one level: successful and failed requests second by second, over the steady seconds of its runs.

    Latencies are those of the judged requests, with the same seconds.
    """

    ok: Floats
    failed: Floats
    latency: Timed
    clock: str = "client"
    """Whose time the latencies are: wire, client, or wire and client."""
    instead: str = ""
    """Where there is no request: the names that were seen instead, for a message; empty where none was."""

    @property
    def requests(self) -> int:
        """Successful and failed requests."""
        return round(float(self.ok.sum() + self.failed.sum()))

    @property
    def seconds(self) -> int:
        """The steady seconds of all runs together."""
        return sum(self.latency.lengths)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its evidence, in the objective's unit; NaN where there is no value or no bound."""

    measured: float
    bounds: Bounds
    samples: int
    effective: float | None
    """How many independent requests would tell as much; None where nothing shows how these depend on each other."""
    verdict: Verdict
    advice: str
    unsteady: bool = False
    """It would be passed if what was measured had been steady."""

    def unsettled(self, why: str) -> Judgement:
        """Return the same figures as those of a level that never became steady."""
        return replace(self, verdict=Verdict.INCONCLUSIVE, advice=f"not steady: {why}", unsteady=True)

    def beside(self, what: str) -> Judgement:
        """Return the same figures as those of a group that `what` goes against, if they would pass."""
        return self if self.verdict != Verdict.PASS else replace(self, verdict=Verdict.INCONCLUSIVE, advice=what)

    def distrusted(self, why: str) -> Judgement:
        """Return the same figures as those of a measurement that can't be trusted."""
        return replace(self, verdict=Verdict.INVALID, advice=f"INVALID: {why}")


def judge(objective: Objective, group: Group, observed: Observed) -> Judgement:
    """Judge one objective on what was observed of its group."""
    if not observed.requests:
        seen = f"; {observed.instead}" if observed.instead else ""
        return _nothing(f"no request of the steady window matches {_patterns(objective, group)}{seen}")
    if objective.percentile is not None:
        return _judge_percentile(objective, objective.percentile, observed)
    if objective.metric == "throughput_rps":
        return _judge_throughput(objective, observed)
    return _judge_rate(objective, observed)


def settles(bounds: Bounds, objective: Objective) -> Verdict:
    """Return PASS or FAIL if the interval lies wholly on one side of the limit, else INCONCLUSIVE."""
    low = -math.inf if bounds.low is None else bounds.low
    high = math.inf if bounds.high is None else bounds.high
    if objective.bound == "at_least":
        right, wrong = low >= objective.limit, high < objective.limit
    else:
        right, wrong = high <= objective.limit, low > objective.limit
    return Verdict.PASS if right else Verdict.FAIL if wrong else Verdict.INCONCLUSIVE


def fails_too_often(objective: Objective, observed: Observed) -> bool:
    """Say whether fewer of all requests, failures included, succeeded within a latency's limit than its percentile."""
    q = objective.percentile
    return q is not None and observed.latency.distribution.within(objective.limit) < q * observed.requests


def _judge_percentile(objective: Objective, q: float, observed: Observed) -> Judgement:
    found = observed.latency.percentile(q)
    if not found.samples:
        return _nothing("no request succeeded, so there is no latency to judge")
    within = observed.latency.distribution.within(objective.limit) / found.samples

    def settled(factor: float) -> bool:
        # The percentile is within the limit exactly when at least the share q of all requests is. How far the share
        # above a latency reaches is known at the percentile.
        exact = rate_bounds(within * found.samples * factor, found.samples * factor)
        shrunk = found.reach.shrunk(factor) / found.samples
        above = found.reach.above if within < 1 else found.reach.plain
        met = exact.low is not None and exact.low >= q and within >= q + above * shrunk
        missed = exact.high is not None and exact.high < q and within < q - found.reach.below * shrunk
        return met or missed

    return _judged(objective, found, settled, observed)


def _judge_rate(objective: Objective, observed: Observed) -> Judgement:
    hits = observed.ok if objective.metric == "success_rate" else observed.failed
    found = share_of(hits, observed.ok + observed.failed, observed.latency.lengths)
    if found.value == objective.limit and objective.limit in (0.0, 1.0) and _is_open(found.bounds, objective):
        advice = f"no number of requests proves a rate of exactly {objective.limit:g}: leave a little room in the limit"
        return _judgement(found, Verdict.INCONCLUSIVE, advice)
    return _judged(
        objective,
        found,
        lambda factor: not _is_open(share_bounds(found.value, found.samples, found.reach, factor), objective),
        observed,
    )


def _judge_throughput(objective: Objective, observed: Observed) -> Judgement:
    # A service that refuses quickly must not meet an objective of how much it does.
    found = throughput_of(observed.ok, observed.latency.lengths)
    if not found.samples and _is_open(found.bounds, objective):
        return _judgement(found, Verdict.INCONCLUSIVE, "no request succeeded: measure longer")
    return _judged(
        objective,
        found,
        lambda factor: not _is_open(throughput_bounds(found.value, observed.seconds, found.reach, factor), objective),
        observed,
    )


def _is_open(bounds: Bounds, objective: Objective) -> bool:
    return settles(bounds, objective) == Verdict.INCONCLUSIVE


def _judged(objective: Objective, found: Estimate, settled: Callable[[float], bool], observed: Observed) -> Judgement:
    """Return the judgement on an estimate; `settled` tells whether so many times as much would settle it."""
    verdict = settles(found.bounds, objective)
    advice = "" if verdict != Verdict.INCONCLUSIVE else _advise(settled, found.reach, observed.seconds)
    return _judgement(found, verdict, advice)


def _judgement(found: Estimate, verdict: Verdict, advice: str) -> Judgement:
    return Judgement(found.value, found.bounds, found.samples, found.effective, verdict, advice)


def _nothing(advice: str) -> Judgement:
    return Judgement(math.nan, Bounds(None, None), 0, None, Verdict.INCONCLUSIVE, advice)


def _patterns(objective: Objective, group: Group) -> str:
    patterns = objective.endpoints or group.endpoints
    return f"{' or '.join(patterns)} of [{group.name}]: check its endpoints, or measure longer"


def _advise(settled: Callable[[float], bool], reach: Reach, seconds: float) -> str:
    """Say how much longer to measure, or how many more runs to make where their differences decide."""
    if math.isinf(reach.above):
        return "a single second can't tell how its requests depend on each other: measure longer"
    if runs := reach.runs:
        more = next((more for more in range(1, MOST_RUNS_ADVISED + 1) if settled((runs + more) / runs)), None)
        if more is None:
            return RUNS_DIFFER
        return f"about {more} more repeat{'s' * (more > 1)} would probably settle it"
    reachable = 1 + LONGEST_ADVICE_S / seconds
    if not settled(reachable):
        return TOO_CLOSE
    # More seconds of the same kind only narrow the interval, so the border can be found by halving.
    low, high = 1.0, reachable
    while (high - low) * seconds > 0.05:
        middle = (low + high) / 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return f"about {_duration((high - 1) * seconds)} more would probably settle it"


def _duration(seconds: float) -> str:
    """Return seconds rounded up as one would say them: 5 s, 40 s, 3 min."""
    if seconds <= 60:
        return f"{max(math.ceil(seconds / 5) * 5, 5)} s"
    if seconds <= 600:
        return f"{math.ceil(seconds / 10) * 10} s"
    return f"{math.ceil(seconds / 60)} min"
