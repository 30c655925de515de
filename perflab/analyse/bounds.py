"""Bounds of percentiles, rates and throughput that allow for requests that depend on each other.

Each is the wider one of two: the exact bound for independent requests (`perflab.analyse.intervals`), and an estimate
give or take the reach that the run's own seconds show (`perflab.analyse.dependence`). A percentile's reach is that of
the share of requests above it; its bounds are the latencies that so much more or fewer of the requests exceed
(Woodruff, J. Am. Stat. Assoc. 47, 1952).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from perflab.analyse.dependence import Reach, effect_within, reach
from perflab.analyse.intervals import CONFIDENCE, Bounds, percentile_ranks
from perflab.analyse.intervals import rate_bounds as independent_rate_bounds
from perflab.analyse.intervals import throughput_bounds as independent_throughput_bounds
from perflab.analyse.summary import Distribution, Floats, Ints, SortedSamples
from perflab.errors import UsageError

_QUARTILE = 0.75


class PercentileBounds(NamedTuple):
    """One-sided bounds of a percentile in ms, and how many independent requests would tell as much.

    `low` is 0 and `high` infinite where there are too few samples.
    """

    low: float
    high: float
    effective_samples: float


class RateBounds(NamedTuple):
    """One-sided bounds of a success rate, a share of 1, and how many independent requests would tell as much.

    `effective_samples` is NaN where all requests have succeeded or all have failed: nothing then shows how they depend
    on each other, and the bounds are those of independent requests.
    """

    low: float
    high: float
    effective_samples: float


def percentile_bounds(samples: pd.DataFrame, q: float, confidence: float = CONFIDENCE) -> PercentileBounds:
    """Return bounds of the percentile `q`, a fraction, each of which holds with `confidence` taken by itself.

    `samples` has a row per latency with the columns `second` (whole seconds, in which its request began), `latency_ms`
    and `count` (how many requests took so long), and `run` where there are several runs: what these differ by is then
    in the bounds. A run lasts from its first second to its last. Raises UsageError for samples that are not such.

        latency = sweep.latency.query("steady and level == '100 users' and group == 'auth' and measure == 'wire'")
        perflab.percentile_bounds(latency, 0.95)
    """
    _check_share("q", q, 0.0)
    _check_share("confidence", confidence, 0.5)
    second, lengths = _seconds(samples, "latency_ms", "count")
    timed = Timed(second, samples["latency_ms"].to_numpy("float64"), samples["count"].to_numpy("int64"), lengths)
    found = timed.percentile(q, confidence)
    low, high = found.bounds.low, found.bounds.high
    return PercentileBounds(0.0 if low is None else low, math.inf if high is None else high, _effective(found))


def rate_bounds(samples: pd.DataFrame, confidence: float = CONFIDENCE) -> RateBounds:
    """Return bounds of the success rate, each of which holds with `confidence` taken by itself.

    `samples` has the columns `second` (whole seconds), `ok` and `failed` (how many requests that began in it succeeded
    and failed), and `run` where there are several runs. Bounds of the error rate are 1 - high and 1 - low. Raises
    UsageError for samples that are not such.

        perflab.rate_bounds(pd.DataFrame({"second": range(60), "ok": 100, "failed": 0}))
    """
    _check_share("confidence", confidence, 0.5)
    second, lengths = _seconds(samples, "ok", "failed")
    ok, failed = (by_second(second, samples[name].to_numpy("float64"), sum(lengths)) for name in ("ok", "failed"))
    found = share_of(ok, ok + failed, lengths, confidence)
    low, high = found.bounds.low, found.bounds.high
    return RateBounds(0.0 if low is None else low, 1.0 if high is None else high, _effective(found))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bounds, in its own unit; `reach` is that of the count behind it.

    `effective` is how many independent samples would tell as much; None where nothing shows how they depend.
    """

    value: float
    bounds: Bounds
    samples: int
    reach: Reach

    @property
    def effective(self) -> float | None:
        """The effective sample size."""
        return None if self.reach.effect is None else self.samples / self.reach.effect


@dataclass(frozen=True)
class Timed:
    """Weighted latencies in ms, each with the second in which its request began.

    Seconds are numbered from 0 on over all runs, one run after the other; `lengths` are the seconds of each run.
    """

    second: Ints
    latency_ms: Floats
    count: Ints
    lengths: tuple[int, ...]

    @cached_property
    def distribution(self) -> Distribution:
        """The latencies, sorted."""
        return SortedSamples(np.zeros(len(self.count), "int64"), self.latency_ms, self.count, 1).cell(0)

    def percentile(self, q: float, confidence: float = CONFIDENCE) -> Estimate:
        """Return the percentile `q`, a fraction, in ms; NaN of nothing."""
        latency = self.distribution
        samples, value = latency.samples, latency.percentile(q)
        if not samples:
            return Estimate(value, Bounds(None, None), 0, Reach(0.0, 0.0, None))
        spread = samples * q * (1 - q)
        least = 1.0
        if q > _QUARTILE:
            # Clumps that raise a high percentile show in the upper quartile too, where more requests tell of them.
            least = effect_within(self._deviations(_QUARTILE), self.lengths, samples * _QUARTILE * (1 - _QUARTILE))
        skewness = (2 * q - 1) / spread**0.5
        far = reach(self._deviations(q), self.lengths, spread, skewness, confidence, max(1.0, least))
        low, high = percentile_ranks(samples, q, confidence)
        if low is not None:
            low = min(low, _rank(samples * q - far.below))
        if high is not None:
            # What is added to the plain reach may lead beyond the slowest sample; it is then the bound: seldom has a
            # clump been missed so wholly that not even the slowest request of it was seen.
            reached = _rank(samples * q + far.above)
            high = max(high, min(reached, samples) if _rank(samples * q + far.plain) <= samples else reached)
        bounds = Bounds(
            None if low is None or low < 1 else latency.at_rank(low),
            None if high is None or high > samples else latency.at_rank(high),
        )
        return Estimate(value, bounds, samples, far)

    def _deviations(self, q: float) -> Floats:
        """Return by how much more samples of each second than its share exceed the percentile `q`.

        Of those that equal it a part counts as above: latencies come in buckets, and many share one.
        """
        value = self.distribution.percentile(q)
        every, above, equal = (
            by_second(self.second[chosen], self.count[chosen], sum(self.lengths))
            for chosen in (slice(None), self.latency_ms > value, self.latency_ms == value)
        )
        counted: Floats = above + equal * ((1 - q) * every.sum() - above.sum()) / equal.sum()
        return counted - (1 - q) * every


def by_second(second: Ints, count: Ints | Floats, seconds: int) -> Floats:
    """Return the sum of the counts of each second, of so many seconds."""
    return np.bincount(second, weights=count, minlength=seconds).astype("float64")


def share_of(hits: Floats, trials: Floats, lengths: Sequence[int], confidence: float = CONFIDENCE) -> Estimate:
    """Return the share of `trials` that are `hits`, both second by second, run after run."""
    total = float(trials.sum())
    share = float(hits.sum()) / total if total else math.nan
    spread = total * share * (1 - share) if total else 0.0
    skewness = (1 - 2 * share) / spread**0.5 if spread > 0 else 0.0
    far = reach(hits - share * trials, lengths, spread, skewness, confidence)
    return Estimate(share, share_bounds(share, total, far), round(total), far)


def share_bounds(share: float, trials: float, far: Reach, factor: float = 1.0) -> Bounds:
    """Return the bounds of a share of `trials`, as they would be after `factor` times as many seconds like these."""
    exact = independent_rate_bounds(share * trials * factor, trials * factor, far.confidence)
    if exact.low is None or exact.high is None:
        return exact
    shrunk = far.shrunk(factor) / trials
    below, above = share - far.below * shrunk, share + far.above * shrunk
    # Of a rarer share a sample shows less variance too, so towards the middle Wilson's score interval reaches further.
    if 0 < share < 1:
        below = min(below, _score(share, -far.below * shrunk))
        above = max(above, _score(share, far.above * shrunk))
    # However requests depend on each other, one that was seen is one: a share of nothing, or of all, it is not.
    single = independent_rate_bounds(1, trials * factor, far.confidence).low or 0.0
    return Bounds(min(exact.low, max(below, single)), max(exact.high, min(above, 1 - single)))


def _score(share: float, reach_of_share: float) -> float:
    """Return the bound of Wilson's score interval (J. Am. Stat. Assoc. 22, 1927) from the reach at the share itself."""
    if math.isinf(reach_of_share):
        return float(reach_of_share > 0)
    square = reach_of_share**2 / (share * (1 - share))
    root = math.sqrt(square * share * (1 - share) + square**2 / 4)
    return (share + square / 2 + math.copysign(root, reach_of_share)) / (1 + square)


def throughput_of(events: Floats, lengths: Sequence[int]) -> Estimate:
    """Return the events per second from those of each second, run after run."""
    total, seconds = float(events.sum()), sum(lengths)
    rate = total / seconds
    far = reach(events - rate, lengths, total, total**-0.5 if total else 0.0)
    return Estimate(rate, throughput_bounds(rate, seconds, far), round(total), far)


def throughput_bounds(rate: float, seconds: float, far: Reach, factor: float = 1.0) -> Bounds:
    """Return the bounds of a rate per second, as they would be after `factor` times as many seconds like these."""
    exact = independent_throughput_bounds(rate * seconds * factor, seconds * factor, far.confidence)
    if exact.low is None or exact.high is None:
        return exact
    shrunk = far.shrunk(factor) / seconds
    return Bounds(max(0.0, min(exact.low, rate - far.below * shrunk)), max(exact.high, rate + far.above * shrunk))


def _rank(position: float) -> int:
    """Return the rank of the smallest sample at or above a position among the samples, which may lie outside them."""
    return math.ceil(round(position, 6)) if math.isfinite(position) else (0 if position < 0 else 2**62)


def _effective(found: Estimate) -> float:
    return math.nan if found.effective is None else found.effective


def _check_share(name: str, value: float, above: float) -> None:
    if not above < value < 1:
        raise UsageError(f"{name} is {value!r}: give a fraction between {above:g} and 1, for example 0.95")


def _seconds(samples: pd.DataFrame, *counts: str) -> tuple[Ints, tuple[int, ...]]:
    """Return the second of each row, numbered over all runs, and the seconds of each run; raises UsageError."""
    missing = [name for name in ("second", *counts) if name not in samples]
    if missing:
        raise UsageError(f"the samples have no column {missing[0]!r}: needed are second, {' and '.join(counts)}")
    for name in counts:
        if not samples[name].ge(0).all():
            raise UsageError(f"the samples' column {name!r} holds negative or missing values")
    second = samples["second"].to_numpy("float64")
    if not (np.isfinite(second) & (second == np.floor(second))).all():
        raise UsageError("the samples' column 'second' holds other values than whole seconds")
    run = pd.factorize(samples["run"])[0] if "run" in samples else np.zeros(len(samples), "int64")
    by_run = pd.Series(second).groupby(run)
    first = by_run.min().to_numpy("float64")
    lengths = (by_run.max().to_numpy("float64") - first + 1).astype("int64")
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(lengths) else np.zeros(0, "int64")
    return (second - first[run]).astype("int64") + starts[run], tuple(lengths.tolist())
