"""One-sided confidence bounds for independent requests: what a sample of this size can and can't tell at best.

Percentiles: order statistics, by the binomial distribution of how many samples lie below the true percentile;
no assumption about the latency's distribution. Rates: Clopper and Pearson (Biometrika 1934). Throughput: the
Poisson bounds of Garwood (Biometrika 1936). Counts may be fractional, to ask about samples not yet taken.

Requests of a run depend on each other; `perflab.analyse.bounds` has the bounds that allow for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy import special

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Bounds:
    """A lower and an upper bound; each holds with 95 % confidence taken by itself, None where there is none."""

    low: float | None
    high: float | None


def percentile_ranks(samples: int, q: float, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """Return the ranks (1 is the smallest sample) whose values bound the true percentile `q`, a fraction.

    None where even the smallest or largest sample is no bound: 58 samples have no upper one for q = 0.95.
    """
    if samples < 1:
        return None, None
    low = _binomial_quantile(1 - confidence, samples, q)
    high = _binomial_quantile(confidence, samples, q) + 1
    return low or None, high if high <= samples else None


def rate_bounds(hits: float, trials: float, confidence: float = CONFIDENCE) -> Bounds:
    """Return the bounds of the true share, when `hits` of `trials` independent requests had a property."""
    if trials <= 0:
        return Bounds(None, None)
    low = float(special.betaincinv(hits, trials - hits + 1, 1 - confidence)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, trials - hits, confidence)) if hits < trials else 1.0
    return Bounds(low, high)


def throughput_bounds(events: float, seconds: float, confidence: float = CONFIDENCE) -> Bounds:
    """Return the bounds of the true number of events per second, when they come independently of each other."""
    if seconds <= 0:
        return Bounds(None, None)
    low = float(special.gammaincinv(events, 1 - confidence)) if events > 0 else 0.0
    return Bounds(low / seconds, float(special.gammaincinv(events + 1, confidence)) / seconds)


def _binomial_quantile(probability: float, trials: int, q: float) -> int:
    """Return the smallest k with P(X <= k) >= probability."""
    k = round(float(special.bdtrik(probability, trials, q)))
    k = min(max(k, 0), trials)
    # bdtrik interpolates between whole numbers; the two loops step at most a few times to the exact one.
    while k > 0 and special.bdtr(k - 1, trials, q) >= probability:
        k -= 1
    while k < trials and special.bdtr(k, trials, q) < probability:
        k += 1
    return k
