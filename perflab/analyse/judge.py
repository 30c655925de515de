"""PASS, FAIL or INCONCLUSIVE for one objective, by interval; and how much longer to measure if it is open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from perflab.analyse.intervals import Bounds, percentile_ranks, rate_bounds, throughput_bounds
from perflab.analyse.summary import Distribution
from perflab.objectives import Group, Objective
from perflab.store.manifest import Verdict

LONGEST_ADVICE_S = 3600.0
TOO_CLOSE = "it lies too close to the limit to be settled within an hour"

_PRECEDENCE: tuple[Verdict, ...] = ("INVALID", "FAIL", "INCONCLUSIVE", "PASS")


@dataclass(frozen=True, slots=True)
class Observed:
    """One group at one level, over the steady seconds of all its runs. Latencies are those of `ok` requests."""

    ok: int
    failed: int
    seconds: float
    latency: Distribution
    clock: str = "client"
    """Whose time the latencies are: wire, client, or wire and client."""

    @property
    def requests(self) -> int:
        """Successful and failed requests."""
        return self.ok + self.failed


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its evidence, in the objective's unit; NaN where there is no value or no bound."""

    measured: float
    bounds: Bounds
    samples: int
    verdict: Verdict
    advice: str
    unsteady: bool = False
    """It would be passed if what was measured had been steady."""

    def unsettled(self, why: str) -> Judgement:
        """Return the same figures as those of a level that never became steady."""
        return replace(self, verdict="INCONCLUSIVE", advice=f"not steady: {why}", unsteady=True)

    def distrusted(self, why: str) -> Judgement:
        """Return the same figures as those of a measurement that can't be trusted."""
        return replace(self, verdict="INVALID", advice=f"INVALID: {why}")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict that outranks the others; PASS of none."""
    return min(verdicts, key=_PRECEDENCE.index, default="PASS")


def judge(objective: Objective, group: Group, observed: Observed) -> Judgement:
    """Judge one objective on what was observed of its group."""
    if not observed.requests:
        return _nothing(f"no request of the steady window matches {_patterns(objective, group)}")
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
    return "PASS" if right else "FAIL" if wrong else "INCONCLUSIVE"


def _judge_percentile(objective: Objective, q: float, observed: Observed) -> Judgement:
    latency = observed.latency
    if not latency.samples:
        return _nothing("no request succeeded, so there is no latency to judge")
    low, high = percentile_ranks(latency.samples, q)
    bounds = Bounds(
        None if low is None else latency.at_rank(low),
        None if high is None else latency.at_rank(high),
    )
    within = latency.within(objective.limit) / latency.samples

    def settled(samples: float) -> bool:
        # The percentile is within the limit exactly when at least the share q of all requests is.
        share = rate_bounds(within * samples, samples)
        return share.low is not None and share.high is not None and (share.low >= q or share.high < q)

    verdict = settles(bounds, objective)
    advice = "" if verdict != "INCONCLUSIVE" else _advise(settled, latency.samples, observed.seconds)
    return Judgement(latency.percentile(q), bounds, latency.samples, verdict, advice)


def _judge_rate(objective: Objective, observed: Observed) -> Judgement:
    hits = observed.ok if objective.metric == "success_rate" else observed.failed
    rate = hits / observed.requests
    bounds = rate_bounds(hits, observed.requests)
    verdict = settles(bounds, objective)
    advice = ""
    if verdict == "INCONCLUSIVE":
        if rate == objective.limit and objective.limit in (0.0, 1.0):
            advice = (
                f"no number of requests proves a rate of exactly {objective.limit:g}: leave a little room in the limit"
            )
        else:
            advice = _advise(
                lambda trials: settles(rate_bounds(rate * trials, trials), objective) != "INCONCLUSIVE",
                observed.requests,
                observed.seconds,
            )
    return Judgement(rate, bounds, observed.requests, verdict, advice)


def _judge_throughput(objective: Objective, observed: Observed) -> Judgement:
    # A service that refuses quickly must not meet an objective of how much it does.
    rate = observed.ok / observed.seconds
    bounds = throughput_bounds(observed.ok, observed.seconds)
    verdict = settles(bounds, objective)
    advice = ""
    if verdict == "INCONCLUSIVE" and not observed.ok:
        advice = "no request succeeded: measure longer"
    elif verdict == "INCONCLUSIVE":
        advice = _advise(
            lambda events: settles(throughput_bounds(events, events / rate), objective) != "INCONCLUSIVE",
            observed.ok,
            observed.seconds,
        )
    return Judgement(rate, bounds, observed.ok, verdict, advice)


def _nothing(advice: str) -> Judgement:
    return Judgement(math.nan, Bounds(None, None), 0, "INCONCLUSIVE", advice)


def _patterns(objective: Objective, group: Group) -> str:
    patterns = objective.endpoints or group.endpoints
    return f"{' or '.join(patterns)} of [{group.name}]: check its endpoints, or measure longer"


def _advise(settled: Callable[[float], bool], samples: int, seconds: float) -> str:
    """Say how much longer to measure until as many samples of the same kind would settle the objective."""
    per_second = samples / seconds
    reachable = samples + LONGEST_ADVICE_S * per_second
    if not settled(reachable):
        return TOO_CLOSE
    # More samples of the same share only narrow the interval, so the border can be found by halving.
    low, high = float(samples), reachable
    while (high - low) / per_second > 0.05:
        middle = (low + high) / 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return f"about {_duration((high - samples) / per_second)} more would probably settle it"


def _duration(seconds: float) -> str:
    """Return seconds rounded up as one would say them: 5 s, 40 s, 3 min."""
    if seconds <= 60:
        return f"{max(math.ceil(seconds / 5) * 5, 5)} s"
    if seconds <= 600:
        return f"{math.ceil(seconds / 10) * 10} s"
    return f"{math.ceil(seconds / 60)} min"
