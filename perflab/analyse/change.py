"""Whether a series of seconds changed, where its warm-up ends, and whether the rest is level.

All methods are established ones:
- change: the largest t-value of a linear trend, of a step at any second (sup-LM: Andrews, Econometrica 61, 1993) or of
  a shift that ends again (an epidemic alternative: Levin and Kline, Statistics in Medicine 4, 1985);
- noise: the long-run variance of an AR(1) process, from the residuals of both trend and shift, so that the change
  itself does not inflate it (Crainiceanu and Vogelsang, J. Stat. Comput. Simul. 77, 2007). It is shrunk towards the
  usual noise of a load test, because ten seconds or so say little about it (Smyth, Stat. Appl. Genet. Mol. Biol. 3,
  2004);
- stalls of a few seconds: clipped before that by Hampel's filter (Davies and Gather, JASA 88, 1993);
- truncation: MSER-5 (White, Simulation 69, 1997), at most half of the window;
- proof: an equivalence test of what remains (Schuirmann, J. Pharmacokin. Biopharm. 15, 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perflab.analyse.summary import Floats, Ints

MIN_SECONDS = 8  # in fewer seconds, noise and change can't be distinguished

# The critical value of t is 4.9 - 9 / n in a window of n seconds: a shorter window has fewer places to change at. It is
# this high because t is the largest of very many correlated t-values, in any of three series, with an estimated
# variance. Found by simulation: at most 1 % of windows without a change exceed it in any setting of the benchmark.
CRITICAL_T, CRITICAL_T_REDUCTION = 4.9, 9.0

# After a warm-up the rest is level; in a linear drift it goes on changing as the start did. The rest must be shown to
# change by less than this share of what it would change by in a linear drift.
MAX_DRIFT_SHARE = 0.5
PROOF_Z = 1.645  # one-sided 95 %

# A short stall is part of what is measured, not a shift: values are clipped at this many standard deviations, and a
# shift lasts for at least this share of the window. Only at the start of the window do a few seconds suffice.
_OUTLIER_SIGMAS = 4.0
_MIN_SHIFT_SHARE = 1 / 5
_MIN_WARM_UP_S = 3
_BATCH_S, _MIN_BATCHES = 5, 6  # batches are shorter in a window that would have fewer
_MSER_SLACK = 1.5  # see truncation
_TRIM_MARGIN = 0.25  # as a share of the tolerance

# How many seconds of evidence the usual noise of a quantity is worth, for its variance and for its autocorrelation.
_NOISE_PRIOR_S, _RHO_PRIOR_S = 10, 60
_MAX_RHO = 0.7  # above it, autocorrelated noise and drift look the same within a window


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a series measures.

    Changes below `tolerance` don't matter. The usual variance of a second's value is `shared_variance`, which all its
    requests have in common, plus `request_variance` divided by their number.
    """

    name: str
    tolerance: float
    shared_variance: float
    request_variance: float

    def usual_noise(self, requests: float) -> _Noise:
        """Return the usual noise of a second with this number of requests."""
        independent = self.request_variance / requests
        return _Noise(self.shared_variance + independent, 3 * self.shared_variance + independent)


@dataclass(frozen=True, slots=True)
class _Noise:
    """The `variance` of a second's value, and its `long_run` variance: n times the variance of the mean of n seconds.

    The long-run variance is larger if noise is autocorrelated.
    """

    variance: float
    long_run: float

    @property
    def rho(self) -> float:
        """The lag-1 autocorrelation of the AR(1) process with these variances."""
        return (self.long_run - self.variance) / (self.long_run + self.variance)


# All requests of a second share a deviation of 5 % with an autocorrelation of .5. Each request has a log-normal latency
# with a sigma of .5; closed-loop users send requests more evenly than a Poisson process. The number of slow requests,
# about 10 %, is binomial; their share changes about a third as much as latency, so 4 points correspond to some 10 %.
THROUGHPUT = Quantity("throughput", 0.05, 0.05**2, 0.5)
LATENCY = Quantity("latency", float(np.log(1.1)), 0.05**2, 0.25)
SLOW = Quantity("the share of slow requests", 0.04, (0.05 / 3) ** 2, 0.09)


@dataclass(frozen=True, slots=True)
class _Change:
    """The most significant change of a series: by `size`, which is `t` standard errors.

    It is a shift in the seconds `shifted`, or a linear trend if that is None. `trend` is the change along the fitted
    line from end to end in either case, with its standard error `trend_error`. `seconds` is how many were tested.
    """

    seconds: int
    t: float
    size: float
    shifted: range | None
    trend: float
    trend_error: float

    def matters(self, quantity: Quantity) -> bool:
        """Return whether the change is both significant and above the tolerance."""
        critical = CRITICAL_T - CRITICAL_T_REDUCTION / self.seconds
        return bool(self.t > critical and abs(self.size) > quantity.tolerance)


@dataclass(frozen=True, slots=True)
class Series:
    """The seconds of a window that have a value, and their values, each of about `requests` requests.

    In a long window each value is that of a step of several seconds, and `seconds` are those in which they begin.
    """

    quantity: Quantity
    seconds: Ints
    values: Floats
    requests: float

    def change(self, start: int = 0) -> _Change | None:
        """Return the change from second `start` on; None if too few seconds have a value."""
        chosen = self.seconds >= start
        values = self.values[chosen]
        n = len(values)
        if n < MIN_SECONDS:
            return None
        # Outliers must not decide whether there is a change, but they count in how large it is.
        x = _clip_outliers(values)
        x = x - x.mean()
        # Both shapes are centred vectors of length 1, so that a projection on them is a least-squares fit.
        trend = np.arange(n) - (n - 1) / 2
        trend /= np.sqrt(trend @ trend)
        on_trend = float(trend @ x)
        first, stop = _find_shift(x)
        shift = np.zeros(n)
        shift[first:stop] = 1
        shift -= shift.mean()
        shift /= np.sqrt(shift @ shift)
        on_shift = float(shift @ x)
        is_trend = abs(on_trend) >= abs(on_shift)

        residual = x - on_trend * trend
        orthogonal = shift - (shift @ trend) * trend
        residual -= (residual @ orthogonal) / (orthogonal @ orthogonal) * orthogonal
        sigma = np.sqrt(_long_run_variance(residual, self.quantity.usual_noise(self.requests)))
        seconds = self.seconds[chosen]
        end_to_end = float(np.ptp(trend))
        return _Change(
            seconds=n,
            t=max(abs(on_trend), abs(on_shift)) / sigma,
            size=float(trend @ values) * end_to_end if is_trend else float(shift @ values) * float(np.ptp(shift)),
            shifted=None if is_trend else range(int(seconds[first]), int(seconds[stop - 1]) + 1),
            trend=on_trend * end_to_end,
            trend_error=sigma * end_to_end,
        )

    def truncation(self, batch: int, max_start: int) -> int:
        """Return the seconds to truncate at the start, a multiple of `batch`: MSER with a margin.

        MSER chooses the cut that minimises the standard error of the mean of the rest. Once a warm-up is over, the
        error hardly depends on the cut, so the first cut that is nearly as good is chosen. MSER also weighs the tail of
        a warm-up against the seconds that it costs. Here seconds are cheap, so the cut moves on over batches that still
        differ from the rest in the direction of the warm-up.
        """
        means = self._batch_means(batch)
        rests = [rest[~np.isnan(rest)] for rest in (means[cut:] for cut in range(max_start // batch + 1))]
        error = np.array([rest.var() / len(rest) if len(rest) > 2 else np.inf for rest in rests])
        cut = int(np.argmax(error <= _MSER_SLACK * error.min() + 1e-12))
        warm_up, rest_mean = self._warm_up_and_rest(max(cut, 1) * batch, batch)
        direction = np.sign(warm_up - rest_mean)
        while cut < max_start // batch and not np.isnan(means[cut + 1 :]).all():
            excess = direction * (means[cut] - np.nanmean(means[cut + 1 :]))
            if not excess > _TRIM_MARGIN * self.quantity.tolerance:
                break
            cut += 1
        return batch * cut

    def levelled_off(self, start: int, batch: int) -> bool:
        """Return whether the series is proven to be level after `start` seconds, compared with before."""
        rest = self.change(start)
        if rest is None:
            return False
        warm_up, rest_mean = self._warm_up_and_rest(start, batch)
        gap = abs(warm_up - rest_mean)
        if self.quantity is LATENCY and warm_up < rest_mean:
            # At worst a falling latency is linear in its logarithm, and a rising one in itself.
            gap = -np.expm1(warm_up - rest_mean)
        # A linear drift covers the gap between the middles of the first batch and the rest; scaled to the whole rest.
        seconds = int(self.seconds[-1]) + 1 - start
        linear_drift = gap * seconds / (seconds / 2 + start - batch / 2)
        allowed = max(self.quantity.tolerance, MAX_DRIFT_SHARE * linear_drift)
        return bool(abs(rest.trend) + PROOF_Z * rest.trend_error <= allowed)

    def describe_truncation(self, start: int, batch: int) -> str:
        """Return why `start` seconds are left out."""
        change = self._describe(*self._warm_up_and_rest(start, batch))
        return f"{self.quantity.name} {change} over the first {start} s of the planned window, which are left out"

    def describe_change(self, change: _Change) -> str:
        """Return what changed, by how much and when."""
        if change.shifted is None:
            mean = float(self.values.mean())
            by = self._describe(mean - change.size / 2, mean + change.size / 2)
            return f"{self.quantity.name} {by} over the planned window"
        inside = (self.seconds >= change.shifted.start) & (self.seconds < change.shifted.stop)
        by = self._describe(float(self.values[~inside].mean()), float(self.values[inside].mean()))
        lasts_to_end = change.shifted.stop > self.seconds[-1]
        when = f"from {change.shifted.start} s " + ("on" if lasts_to_end else f"to {change.shifted.stop} s")
        return f"{self.quantity.name} {by} {when} in the planned window"

    def _warm_up_and_rest(self, start: int, batch: int) -> tuple[float, float]:
        """Return the mean of the batch in the first `start` seconds that differs most from the rest, and the rest's."""
        rest_mean = float(_clip_outliers(self.values[self.seconds >= start]).mean())
        means = self._batch_means(batch)[: start // batch]
        means = means[~np.isnan(means)]
        return (float(means[np.argmax(np.abs(means - rest_mean))]) if len(means) else rest_mean), rest_mean

    def _batch_means(self, batch: int) -> Floats:
        """Return the means of consecutive batches of `batch` seconds; NaN for one without a value."""
        batches = self.seconds // batch
        with np.errstate(invalid="ignore"):
            means: Floats = np.bincount(batches, weights=self.values) / np.bincount(batches)
        return means

    def _describe(self, before: float, after: float) -> str:
        verb = "rose" if after > before else "fell"
        if self.quantity is SLOW:
            return f"{verb} from {max(before, 0) * 100:.0f} % to {max(after, 0) * 100:.0f} %"
        if self.quantity is LATENCY:
            return f"{verb} by {abs(np.expm1(after - before)) * 100:.0f} %"
        return f"{verb} by {abs(after / before - 1) * 100:.0f} %" if before > 0 else f"{verb} from zero"


def _clip_outliers(x: Floats) -> Floats:
    """Return a series with short stalls clipped to the range around the running median (Hampel's filter)."""
    half = batch_length(len(x))
    median = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(x, half, "symmetric"), 2 * half + 1), axis=1)
    sigma = 1.4826 * float(np.median(np.abs(x - median)))
    if not sigma > 0:
        # More than half of the values are equal, for instance in seconds without a request.
        sigma = float(np.sqrt(np.mean(np.diff(x) ** 2) / 2))
    clipped: Floats = np.clip(x, median - _OUTLIER_SIGMAS * sigma, median + _OUTLIER_SIGMAS * sigma)
    return clipped


def batch_length(seconds: int) -> int:
    """Return the resolution in a window of this length: anything shorter is a stall, not a shift."""
    return min(_BATCH_S, max(seconds // _MIN_BATCHES, 1))


def _find_shift(x: Floats) -> tuple[int, int]:
    """Return where the most significant shift in a series with mean 0 starts and stops.

    One that lasts to the end is a step. None starts at 0: the step at its end is equivalent.
    """
    n = len(x)
    min_length = max(_MIN_WARM_UP_S, int(n * _MIN_SHIFT_SHARE))
    step_starts = np.arange(_MIN_WARM_UP_S, n - min_length + 1)
    # For a shift that ends again, a resolution of a sixtieth of the window suffices.
    grid = np.arange(_MIN_WARM_UP_S, n, max(n // 60, 1))
    start, stop = (ends.ravel() for ends in np.meshgrid(grid, grid))
    long_enough = stop - start >= min_length
    start = np.concatenate((step_starts, start[long_enough]))
    stop = np.concatenate((np.full(len(step_starts), n), stop[long_enough]))
    length = stop - start
    sums = np.concatenate(([0.0], np.cumsum(x)))
    best = int(np.argmax((sums[stop] - sums[start]) ** 2 / (length * (n - length))))
    return int(start[best]), int(stop[best])


def _long_run_variance(residual: Floats, usual: _Noise) -> float:
    """Return the long-run variance of noise that is an AR(1) process, shrunk towards the `usual` one.

    Five degrees of freedom are spent on the mean, the trend, and the shift's height, start and stop.
    """
    n, freedom = len(residual), len(residual) - 5
    # What remains of a slow change affects lag-1 and lag-2 differences less than it does autocovariances.
    lag_1, lag_2 = np.mean(np.diff(residual) ** 2), np.mean((residual[2:] - residual[:-2]) ** 2)
    rho = lag_2 / lag_1 - 1 if lag_1 > 0 else 0.0
    rho = float(np.clip((n * rho + _RHO_PRIOR_S * usual.rho) / (n + _RHO_PRIOR_S), 0, _MAX_RHO))
    estimated = residual @ residual / freedom * (1 + rho) / (1 - rho)
    return float((freedom * estimated + _NOISE_PRIOR_S * usual.long_run) / (freedom + _NOISE_PRIOR_S))
