"""Which part of a planned window is steady: a test for change, and how many seconds to leave out at the front.

A run without a visible change keeps its whole window; only then is nothing lost to noise. So the window is tested
first, and a truncation point is looked for only when throughput or latency has changed significantly *and* by a size
that matters. After that the burden of proof is the other way round: what is left must be shown to be steady.

The parts are known ones:
- change: the largest t-value of a straight line, of a step at any second (sup-LM: Andrews, Econometrica 61, 1993) or
  of any part with a level of its own (an epidemic alternative: Levin and Kline, Statistics in Medicine 4, 1985);
- noise: the long-run variance of an AR(1) process from what neither line nor level explains, so that the change itself
  does not inflate it (Crainiceanu and Vogelsang, J. Stat. Comput. Simul. 77, 2007), moderated by what the noise of a
  load test usually is, because some ten seconds say little about it (Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004);
- stalls of a few seconds: drawn in before that, by Hampel's filter (Davies and Gather, JASA 88, 1993);
- truncation: MSER-5 (White, Simulation 69, 1997), at most half of the window;
- proof: an equivalence test of what is left (Schuirmann, J. Pharmacokin. Biopharm. 15, 1987).

What it finds, and how often it is wrong, is measured by `benchmarks/steady_state.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perflab.analyse.summary import Floats, Ints, SortedSamples

MIN_SECONDS = 8  # below it, noise can't be told from change
# A longer window is looked at in steps of several seconds: the work grows with the square of their number.
MAX_STEPS = 7200

# A change of more standard errors is none of chance: 4.9, and 9 / n less in n seconds, where there are fewer ways to
# change. It is the largest of very many correlated t-values, in one of three series, with an estimated variance; found
# by simulation so that at most 1 % of quiet windows are above it in any setting of the benchmark.
SIGNIFICANT, SIGNIFICANT_FEWER = 4.9, 9.0

# After a warm-up the rest is level; on a straight drift it goes on changing as the front did. It must be shown to
# change by less than this share of what it would on a straight drift.
LEVELLED_OFF = 0.5
PROOF = 1.645  # one-sided 95 %

# A short stall is part of what is measured, no new level: seconds are drawn in to some standard deviations, and a level
# lasts for a share of the window; only at its front are a few seconds enough.
_OUTLIER = 4.0
_MIN_LEVEL = 1 / 5
_MIN_FRONT = 3  # seconds
_BATCH, _MIN_BATCHES = 5, 6  # seconds; fewer in a short window
_NEARLY = 1.5  # as certain: see truncation
_MARGIN = 0.25  # of the tolerance
_SLOW_SHARE = 0.10  # of an endpoint's requests are its slow ones

# Seconds of evidence that the usual noise of a quantity is worth, and how lasting it usually is.
_NOISE_WEIGHT, _RHO_WEIGHT = 10, 60
_MAX_RHO = 0.7  # from there on, lasting noise and drift are the same thing in a window


@dataclass(frozen=True, slots=True)
class SteadyPart:
    """What is steady of a planned window.

    `start` seconds are to be left out at its front. Without a steady part `found` is False; a window too short to
    be looked into is taken as it is and not `checked`. `reason` says what moved, by how much and when; "" if nothing.
    """

    start: int
    found: bool
    checked: bool
    reason: str
    wanders: bool = False
    """Where no part is steady: latency alone has moved, to other levels and not up or down all the time."""


@dataclass(frozen=True, slots=True)
class BySecond:
    """A run's planned window second by second.

    `requests` begun; mean log `latency` relative to each endpoint's own, NaN without a successful request; and
    `slow`, the share of successful requests above their endpoint's own 90th percentile, NaN likewise.
    """

    requests: Floats
    latency: Floats
    slow: Floats


def second_by_second(
    second: Ints, endpoint: Ints, requests: Ints, succeeded: Ints, log_ms: Floats, slow: Floats | Ints, window: range
) -> BySecond:
    """Return the series of one run from counts of its requests on one clock; `window` holds the planned seconds.

    Requests that began in the same second and have the same endpoint are counted together, in any number of parts: of
    each, `requests`, those that `succeeded` with a latency, the sum of the logarithms of these latencies in ms, and how
    many of them were `slow`, longer than their endpoint's `slow_limits`. Latency is relative to the endpoint's own over
    the window, so that a changing mix of fast and slow endpoints is no change of latency.
    """
    inside = (second >= window.start) & (second < window.stop)
    at, of = second[inside] - window.start, endpoint[inside]

    def total(values: Floats | Ints) -> Floats:
        return np.bincount(at, weights=values, minlength=len(window)).astype("float64")

    succeeded, log_ms = succeeded[inside], log_ms[inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.bincount(of, weights=log_ms) / np.bincount(of, weights=succeeded)
        relative = np.where(succeeded > 0, log_ms - succeeded * own[of], 0.0)
        successes = total(succeeded)
        return BySecond(total(requests[inside]), total(relative) / successes, total(slow[inside]) / successes)


def slow_limits(latencies: SortedSamples) -> Floats:
    """Return the latency in ms of each endpoint above which one is slow: its own 90th percentile."""
    return latencies.percentile(1 - _SLOW_SHARE)


def find_steady(requests: Floats, latency: Floats, slow: Floats | None = None) -> SteadyPart:
    """Return the steady part of a planned window from series of equal length, a value per second.

    `requests` were begun in each second; `latency` is a mean log, and NaN in a second without a successful request;
    `slow` is the share of slow requests, NaN likewise, and may be left out.
    """
    n = len(requests)
    if n < MIN_SECONDS:
        return SteadyPart(0, True, False, f"{n} s is too short to be checked for a steady state")
    step = -(-n // MAX_STEPS)
    series = _to_check(step, requests, latency, slow)
    moved = [(one, change) for one in series if (change := one.change()) and change.counts(one.quantity)]
    if not moved:
        return SteadyPart(0, True, True, "")
    # What changed most is spoken of: the others mostly follow it.
    moved.sort(key=lambda pair: -pair[1].t)
    batch = step * _batch_of(n // step)
    most = min(n // 2, n - MIN_SECONDS)
    first = max(batch, *(one.truncation(batch, most) for one, _ in moved))
    # The share of slow requests soon falls to nothing, and then looks level while latency goes on falling.
    telling = [one for one, _ in moved if one.quantity is not _SLOW] or [one for one, _ in moved]
    for start in range(first, most + 1, batch):
        # One series shows it: of a noisier one it is enough that it doesn't show the opposite.
        level = next((one for one in telling if one.levelled_off(start, batch)), None)
        if level is None:
            continue
        rest = [one.change(start) for one in series]
        if not any(one and one.counts(each.quantity) for each, one in zip(series, rest, strict=True)):
            return SteadyPart(start, True, True, level.left_out(start, batch))
    worst, change = moved[0]
    reason = f"{worst.moved(change)} and no part of at least half of it can be shown to be steady"
    wanders = all(one.quantity is not _THROUGHPUT and one_change.level is not None for one, one_change in moved)
    return SteadyPart(0, False, True, reason, wanders)


@dataclass(frozen=True, slots=True)
class _Quantity:
    """What a series measures.

    A change below `tolerance` matters to nobody. The usual variance of a second is `common` to all its requests, and
    on top `single` divided by their number.
    """

    name: str
    tolerance: float
    common: float
    single: float

    def noise(self, per_second: float) -> _Noise:
        """Return the usual noise of a second with so many requests."""
        own = self.single / per_second
        return _Noise(self.common + own, 3 * self.common + own)


@dataclass(frozen=True, slots=True)
class _Noise:
    """The `variance` of a second, and of the mean of n seconds times n; more if noise lasts from second to second."""

    variance: float
    long_run: float

    @property
    def rho(self) -> float:
        """The rho of the AR(1) process with these variances."""
        return (self.long_run - self.variance) / (self.long_run + self.variance)


# Requests of a second share a deviation of 5 % that lasts, with a rho of .5. Each has a log-normal latency with a
# sigma of .5; closed-loop users ask more evenly than a Poisson process. The share of slow requests, near 10 %, is
# binomial; it follows latency with about a third of its size, so that 4 points are some 10 %.
_THROUGHPUT = _Quantity("throughput", 0.05, 0.05**2, 0.5)
_LATENCY = _Quantity("latency", float(np.log(1.1)), 0.05**2, 0.25)
_SLOW = _Quantity("the share of slow requests", 0.04, (0.05 / 3) ** 2, 0.09)


@dataclass(frozen=True, slots=True)
class _Change:
    """How a series changes at most: by `size`, which is `t` standard errors.

    `seconds` were looked at. It is another level in the seconds of `level`, or a straight drift if None. `line` is the
    change along a straight line from end to end in any case, `error` its standard error.
    """

    seconds: int
    t: float
    size: float
    level: range | None
    line: float
    error: float

    def counts(self, quantity: _Quantity) -> bool:
        """Return whether it is neither chance nor irrelevant."""
        significant = SIGNIFICANT - SIGNIFICANT_FEWER / self.seconds
        return bool(self.t > significant and abs(self.size) > quantity.tolerance)


@dataclass(frozen=True, slots=True)
class _Series:
    """The seconds of a window that have a value, with their values; `per_second` requests make up one.

    Of a long window they are those in which steps of several seconds begin.
    """

    quantity: _Quantity
    seconds: Ints
    values: Floats
    per_second: float

    def change(self, start: int = 0) -> _Change | None:
        """Return the change from second `start` on; None if too few seconds have a value."""
        chosen = self.seconds >= start
        values = self.values[chosen]
        n = len(values)
        if n < MIN_SECONDS:
            return None
        # Significance is that of the many seconds; how large a change is, all say.
        x = _without_outliers(values)
        x = x - x.mean()
        line = np.arange(n) - (n - 1) / 2
        line /= np.sqrt(line @ line)
        along = float(line @ x)
        start, stop = _other_level(x)
        level = np.zeros(n)
        level[start:stop] = 1
        level -= level.mean()
        level /= np.sqrt(level @ level)
        beside = float(level @ x)
        straight = abs(along) >= abs(beside)

        left = x - along * line
        other = level - (level @ line) * line
        left -= (left @ other) / (other @ other) * other
        sigma = np.sqrt(_long_run_variance(left, self.quantity.noise(self.per_second)))
        seconds = self.seconds[chosen]
        scale = float(np.ptp(line))
        return _Change(
            seconds=n,
            t=max(abs(along), abs(beside)) / sigma,
            size=float(line @ values) * scale if straight else float(level @ values) * float(np.ptp(level)),
            level=None if straight else range(int(seconds[start]), int(seconds[stop - 1]) + 1),
            line=along * scale,
            error=sigma * scale,
        )

    def truncation(self, batch: int, most: int) -> int:
        """Return the seconds to leave out at the front, a multiple of `batch`: MSER with a margin.

        MSER takes the cut that makes the mean of the rest most certain. Once a warm-up is over that hardly depends on
        the cut, so the first nearly as good is taken. It also weighs a slow end of the warm-up against the seconds
        it costs, but these are cheap here: batches go too while they depart to the side that the front does.
        """
        means = self._batches(batch)
        rests = [rest[~np.isnan(rest)] for rest in (means[j:] for j in range(most // batch + 1))]
        error = np.array([rest.var() / len(rest) if len(rest) > 2 else np.inf for rest in rests])
        cut = int(np.argmax(error <= _NEARLY * error.min() + 1e-12))
        front, level = self._levels(max(cut, 1) * batch, batch)
        side = np.sign(front - level)
        while cut < most // batch and not np.isnan(means[cut + 1 :]).all():
            departs = side * (means[cut] - np.nanmean(means[cut + 1 :]))
            if not departs > _MARGIN * self.quantity.tolerance:
                break
            cut += 1
        return batch * cut

    def levelled_off(self, start: int, batch: int) -> bool:
        """Return whether the series is proven to be level after `start` seconds, compared with before."""
        rest = self.change(start)
        if rest is None:
            return False
        front, level = self._levels(start, batch)
        departs = abs(front - level)
        if self.quantity is _LATENCY and front < level:
            # A latency that falls is straight at worst in its log, one that rises in itself.
            departs = -np.expm1(front - level)
        # From the middle of the first batch to the middle of the rest, and from one end of the rest to the other.
        seconds = int(self.seconds[-1]) + 1 - start
        straight = departs * seconds / (seconds / 2 + start - batch / 2)
        return bool(abs(rest.line) + PROOF * rest.error <= max(self.quantity.tolerance, LEVELLED_OFF * straight))

    def left_out(self, start: int, batch: int) -> str:
        """Return in words why `start` seconds are left out."""
        how = self._in_words(*self._levels(start, batch))
        return f"{self.quantity.name} {how} over the first {start} s of the planned window, which are left out"

    def moved(self, change: _Change) -> str:
        """Return a change in words."""
        if change.level is None:
            middle = float(self.values.mean())
            how = self._in_words(middle - change.size / 2, middle + change.size / 2)
            return f"{self.quantity.name} {how} over the planned window"
        inside = (self.seconds >= change.level.start) & (self.seconds < change.level.stop)
        how = self._in_words(float(self.values[~inside].mean()), float(self.values[inside].mean()))
        to_its_end = change.level.stop > self.seconds[-1]
        when = f"from {change.level.start} s " + ("on" if to_its_end else f"to {change.level.stop} s")
        return f"{self.quantity.name} {how} {when} in the planned window"

    def _levels(self, start: int, batch: int) -> tuple[float, float]:
        """Return the mean of that part of the first `start` seconds that departs most from the rest, and the rest's."""
        rest = float(_without_outliers(self.values[self.seconds >= start]).mean())
        front = self._batches(batch)[: start // batch]
        front = front[~np.isnan(front)]
        return (float(front[np.argmax(np.abs(front - rest))]) if len(front) else rest), rest

    def _batches(self, batch: int) -> Floats:
        """Return the means of successive `batch` seconds; NaN for one without a value."""
        of = self.seconds // batch
        with np.errstate(invalid="ignore"):
            means: Floats = np.bincount(of, weights=self.values) / np.bincount(of)
        return means

    def _in_words(self, before: float, after: float) -> str:
        rose = "rose" if after > before else "fell"
        if self.quantity is _SLOW:
            return f"{rose} from {max(before, 0) * 100:.0f} % to {max(after, 0) * 100:.0f} %"
        if self.quantity is _LATENCY:
            return f"{rose} by {abs(np.expm1(after - before)) * 100:.0f} %"
        return f"{rose} by {abs(after / before - 1) * 100:.0f} %" if before > 0 else f"{rose} from nothing"


def _to_check(step: int, requests: Floats, latency: Floats, slow: Floats | None) -> list[_Series]:
    """Return the series that have something to be checked; throughput is relative to its own mean."""
    requests, latency = _in_steps(requests, step), _in_steps(latency, step)
    slow = None if slow is None else _in_steps(slow, step)
    per_second = float(requests.mean())
    if not per_second > 0:
        return []
    given = [(_THROUGHPUT, requests / per_second), (_LATENCY, latency)]
    if slow is not None and per_second * _SLOW_SHARE >= 1:
        # With less than one slow request a second, their share is mostly 0.
        given.append((_SLOW, slow))
    seconds = step * np.arange(len(requests))
    return [
        _Series(quantity, seconds[~np.isnan(values)], values[~np.isnan(values)], per_second * step)
        for quantity, values in given
    ]


def _in_steps(values: Floats, step: int) -> Floats:
    """Return the mean of each `step` seconds that are whole; NaN without any value."""
    if step == 1:
        return values
    steps = values[: len(values) // step * step].reshape(-1, step)
    known = ~np.isnan(steps)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(known, steps, 0.0).sum(axis=1) / known.sum(axis=1)
    return means


def _without_outliers(x: Floats) -> Floats:
    """Return a series with short stalls drawn in to the median of the seconds around (Hampel's filter)."""
    half = _batch_of(len(x))
    around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(x, half, "symmetric"), 2 * half + 1), axis=1)
    spread = 1.4826 * float(np.median(np.abs(x - around)))
    if not spread > 0:
        # More than half of the seconds are alike, say without a request.
        spread = float(np.sqrt(np.mean(np.diff(x) ** 2) / 2))
    drawn_in: Floats = np.clip(x, around - _OUTLIER * spread, around + _OUTLIER * spread)
    return drawn_in


def _batch_of(seconds: int) -> int:
    """Return how many seconds of such a window are told apart: what is shorter is a stall, no level."""
    return min(_BATCH, max(seconds // _MIN_BATCHES, 1))


def _other_level(x: Floats) -> tuple[int, int]:
    """Return where that part of a series with mean 0 starts and stops which most surely has a level of its own.

    If it lasts to the end it is a step. It never begins at the front: the step at its end says the same.
    """
    n = len(x)
    least = max(_MIN_FRONT, int(n * _MIN_LEVEL))
    sums = np.concatenate(([0.0], np.cumsum(x)))
    steps = np.arange(_MIN_FRONT, n - least + 1)
    # A sixtieth of the window is near enough for a part in the middle.
    grid = np.arange(_MIN_FRONT, n, max(n // 60, 1))
    start, stop = (ends.ravel() for ends in np.meshgrid(grid, grid))
    long = stop - start >= least
    start, stop = np.concatenate((steps, start[long])), np.concatenate((np.full(len(steps), n), stop[long]))
    length = stop - start
    best = int(np.argmax((sums[stop] - sums[start]) ** 2 / (length * (n - length))))
    return int(start[best]), int(stop[best])


def _long_run_variance(residual: Floats, usual: _Noise) -> float:
    """Return n times the variance of the mean of n seconds with this noise, an AR(1) process.

    What is estimated from n seconds is moderated by what is `usual`. The five degrees of freedom are the mean, the
    line, and the other level's height, start and stop.
    """
    n, freedom = len(residual), len(residual) - 5
    # The lag-1 and lag-2 differences see less of what is left of a slow change than autocovariances do.
    near, far = np.mean(np.diff(residual) ** 2), np.mean((residual[2:] - residual[:-2]) ** 2)
    rho = far / near - 1 if near > 0 else 0.0
    rho = float(np.clip((n * rho + _RHO_WEIGHT * usual.rho) / (n + _RHO_WEIGHT), 0, _MAX_RHO))
    estimated = residual @ residual / freedom * (1 + rho) / (1 - rho)
    return float((freedom * estimated + _NOISE_WEIGHT * usual.long_run) / (freedom + _NOISE_WEIGHT))
