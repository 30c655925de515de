"""Which part of a planned window is steady: a test for change, and how many seconds to truncate at the start.

A run without a visible change keeps its whole window, so that noise costs no data. Therefore the window is tested
first, and a truncation point is looked for only when throughput or latency has changed significantly *and* by a size
that matters. From then on the burden of proof is reversed: what remains must be shown to be steady.

`perflab.analyse.change` has the tests of a series; `benchmarks/steady_state.py` measures what is found, and how often
wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perflab.analyse.change import LATENCY, MIN_SECONDS, SLOW, THROUGHPUT, Series, batch_length
from perflab.analyse.summary import Floats, Ints, SortedSamples

_SLOW_SHARE = 0.10  # the slowest requests of an endpoint that count as slow
# A longer window is averaged over steps of several seconds: the work grows with the square of their number.
MAX_STEPS = 7200


@dataclass(frozen=True, slots=True)
class SteadyPart:
    """The steady part of a planned window.

    `start` is how many seconds to leave out at its start. `found` is False if no part is steady. A window too short to
    be tested is used whole, and not `checked`. `reason` says what changed, by how much and when; "" if nothing did.
    """

    start: int
    found: bool
    checked: bool
    reason: str
    wanders: bool = False
    """No part is steady, but only latency changed, and it shifted rather than drifted all the time."""


@dataclass(frozen=True, slots=True)
class BySecond:
    """A run's planned window second by second.

    `requests` that began in it; the mean log `latency` relative to each endpoint's own mean, NaN without a successful
    request; and `slow`, the share of successful requests above their endpoint's 90th percentile, also NaN without one.
    """

    requests: Floats
    latency: Floats
    slow: Floats


def second_by_second(
    second: Ints, endpoint: Ints, requests: Ints, succeeded: Ints, log_ms: Floats, slow: Floats | Ints, window: range
) -> BySecond:
    """Return the series of one run from counts of its requests on one clock; `window` holds the planned seconds.

    The arrays have one element per second and endpoint, or several whose counts are added: how many `requests` began,
    how many of them `succeeded` with a latency, the sum of the logarithms of these latencies in ms, and how many of
    them were `slow`, above their endpoint's `slow_limits`. Latency is relative to the endpoint's mean over the window,
    so that a changing mix of fast and slow endpoints doesn't look like a change of latency.
    """
    inside = (second >= window.start) & (second < window.stop)
    index, endpoint = second[inside] - window.start, endpoint[inside]

    def total(values: Floats | Ints) -> Floats:
        return np.bincount(index, weights=values, minlength=len(window)).astype("float64")

    succeeded, log_ms = succeeded[inside], log_ms[inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        endpoint_mean = np.bincount(endpoint, weights=log_ms) / np.bincount(endpoint, weights=succeeded)
        relative = np.where(succeeded > 0, log_ms - succeeded * endpoint_mean[endpoint], 0.0)
        successes = total(succeeded)
        return BySecond(total(requests[inside]), total(relative) / successes, total(slow[inside]) / successes)


def slow_limits(latencies: SortedSamples) -> Floats:
    """Return the latency in ms above which a request counts as slow, for each endpoint: its 90th percentile."""
    return latencies.percentile(1 - _SLOW_SHARE)


def find_steady(requests: Floats, latency: Floats, slow: Floats | None = None) -> SteadyPart:
    """Return the steady part of a planned window from series of equal length, one value per second.

    `requests` is how many began in each second; `latency` is a mean logarithm, NaN in a second without a successful
    request; `slow` is the share of slow requests, NaN likewise, and optional.
    """
    n = len(requests)
    if n < MIN_SECONDS:
        return SteadyPart(0, True, False, f"{n} s is too short to be checked for a steady state")
    step = -(-n // MAX_STEPS)
    every_series = _series_to_check(step, requests, latency, slow)
    changed = [
        (series, change) for series in every_series if (change := series.change()) and change.matters(series.quantity)
    ]
    if not changed:
        return SteadyPart(0, True, True, "")
    # The reason names the most significant change: the others are mostly its consequences.
    changed.sort(key=lambda pair: -pair[1].t)
    batch = step * batch_length(n // step)
    max_start = min(n // 2, n - MIN_SECONDS)
    min_start = max(batch, *(series.truncation(batch, max_start) for series, _ in changed))
    # The share of slow requests soon falls to zero, and then looks level while latency is still falling.
    decisive = [series for series, _ in changed if series.quantity is not SLOW] or [series for series, _ in changed]
    for start in range(min_start, max_start + 1, batch):
        # One series has to prove that it is level; noisier ones may fail to, as long as they show no change.
        levelled = next((series for series in decisive if series.levelled_off(start, batch)), None)
        if levelled is None:
            continue
        remaining = [(series, series.change(start)) for series in every_series]
        if not any(change and change.matters(series.quantity) for series, change in remaining):
            return SteadyPart(start, True, True, levelled.describe_truncation(start, batch))
    worst, change = changed[0]
    reason = f"{worst.describe_change(change)} and no part of at least half of it can be shown to be steady"
    wanders = all(series.quantity is not THROUGHPUT and each.shifted is not None for series, each in changed)
    return SteadyPart(0, False, True, reason, wanders)


def _series_to_check(step: int, requests: Floats, latency: Floats, slow: Floats | None) -> list[Series]:
    """Return the series that have enough data to be tested; throughput is relative to its mean."""
    requests, latency = _average_steps(requests, step), _average_steps(latency, step)
    slow = None if slow is None else _average_steps(slow, step)
    per_second = float(requests.mean())
    if not per_second > 0:
        return []
    quantities = [(THROUGHPUT, requests / per_second), (LATENCY, latency)]
    if slow is not None and per_second * _SLOW_SHARE >= 1:
        # With less than one slow request per second, their share is mostly 0.
        quantities.append((SLOW, slow))
    seconds = step * np.arange(len(requests))
    return [
        Series(quantity, seconds[~np.isnan(values)], values[~np.isnan(values)], per_second * step)
        for quantity, values in quantities
    ]


def _average_steps(values: Floats, step: int) -> Floats:
    """Return the mean of each full step of `step` seconds; NaN for one without any value."""
    if step == 1:
        return values
    steps = values[: len(values) // step * step].reshape(-1, step)
    known = ~np.isnan(steps)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(known, steps, 0.0).sum(axis=1) / known.sum(axis=1)
    return means
