"""How uncertain a count is when the requests behind it depend on each other, judged from the run's own seconds.

Where requests queue they come in clumps: a slow one is followed by slow ones. The variance of a count is then a
multiple of what independent requests have, its design effect. It is estimated from how the count's deviations are
spread over the seconds:

- within a run by an equal-weighted cosine transform (Lazarus, Lewis, Stock and Watson, J. Bus. Econ. Stat. 36, 2018):
  the slowest cosines hold what lasts for many seconds, and each of them is a degree of freedom of Student's t;
- between repeated runs by the runs' totals, where these differ by more than their seconds explain;
- clumps make a count skewed, so that a sample without its share of them looks both good and certain: the side on
  which the truth then lies is widened by Johnson's correction (J. Am. Stat. Assoc. 73, 1978), for the skewness that
  is left after that of independent requests.

How often bounds made of this miss, and what else was tried: docs/explanation/verdicts.md and
`benchmarks/bounds_coverage.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from perflab.analyse.intervals import CONFIDENCE
from perflab.analyse.summary import Floats

# Cosines of a run: by the rate at which their error is smallest, and at least so many, since each degree of freedom
# less makes the bounds of short windows wider than what a few cosines more may hide.
_COSINES, _COSINES_RATE, _MIN_COSINES = 0.5, 2 / 3, 10
# Parts of a run whose sums tell how skewed the count is; of fewer than the second it can't be told.
_PARTS, _MIN_PARTS = 15, 5
# Runs differ if their totals vary by more than chance would make them in one of four times.
_RUNS_ALIKE = 0.75


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the expectation of a count may lie below and above the count itself, each with the asked confidence.

    `effect` is the design effect, at least 1, and None where there is nothing to estimate it from: no deviation at
    all, as when no request has failed. `runs` is the number of repeated runs if their differences decide, else 0.
    """

    below: float
    above: float
    effect: float | None
    plain: float = 0.0
    """The reach above without what is added for skewness, and for a design effect that is known from elsewhere."""
    runs: int = 0
    confidence: float = CONFIDENCE

    def shrunk(self, factor: float) -> float:
        """Return what the reach of a share shrinks to, as a factor, when there are `factor` times as many seconds.

        Where the differences of runs decide, it takes as many times more runs instead.
        """
        shrunk = factor**-0.5
        if self.runs:
            more, now = special.stdtrit([factor * self.runs - 1, self.runs - 1], self.confidence)
            shrunk *= more / now
        return float(shrunk)


def reach(
    deviations: Floats,
    lengths: Sequence[int],
    independent: float,
    skewness: float,
    confidence: float = CONFIDENCE,
    least_effect: float = 1.0,
) -> Reach:
    """Return the reach of a count from its `deviations` from what is expected, second by second; their sum is 0.

    `lengths` are the seconds of each run, one run after the other. If requests were independent, the count would have
    the variance `independent` and this `skewness`; its design effect is known to be `least_effect` or more.
    """
    if independent <= 0:
        return Reach(0.0, 0.0, None, confidence=confidence)
    runs = np.split(deviations, np.cumsum(lengths)[:-1])
    within, freedom = _within_runs(runs)
    if freedom < 1:
        return Reach(np.inf, np.inf, None, np.inf, confidence=confidence)
    variance, differing = max(within, least_effect * independent), 0
    student = float(special.stdtrit(freedom, confidence))
    found, scale = _skewness(runs), (1 + 2 * student**2) / 6
    widened = [max(0.0, side * found - max(0.0, side * skewness)) * scale for side in (-1, 1)]
    if len(runs) > 1:
        between = len(runs) / (len(runs) - 1) * sum(float(run.sum()) ** 2 for run in runs)
        if between > special.fdtri(len(runs) - 1, freedom, _RUNS_ALIKE) * variance:
            variance, differing = between, len(runs)
            student = float(special.stdtrit(len(runs) - 1, confidence))
    error = variance**0.5
    below, above = (error * (student + side) for side in widened)
    plain = max(within, independent) ** 0.5 * student if not differing else error * student
    return Reach(below, above, variance / independent, plain, differing, confidence)


def effect_within(deviations: Floats, lengths: Sequence[int], independent: float) -> float:
    """Return the design effect that the seconds of the runs show, whatever their totals differ by; see `reach`."""
    within, freedom = _within_runs(np.split(deviations, np.cumsum(lengths)[:-1]))
    return within / independent if freedom >= 1 and independent > 0 else 1.0


def _within_runs(runs: Sequence[Floats]) -> tuple[float, float]:
    """Return the variance of the sum of all runs, by what varies within each, and its degrees of freedom."""
    variances, freedoms = zip(*map(_within, runs), strict=True)
    return sum(variances), _pooled(variances, freedoms)


def _within(run: Floats) -> tuple[float, int]:
    """Return the variance of a run's sum, and its degrees of freedom: 0 of a run of one second."""
    seconds = len(run)
    cosines = min(max(round(_COSINES * seconds**_COSINES_RATE), _MIN_COSINES), seconds - 1)
    if cosines < 1:
        return 0.0, 0
    # By a Fourier transform (Makhoul, IEEE Trans. ASSP 28, 1980): to import scipy's takes as long as a whole verdict.
    shifted = np.exp(-0.5j * np.pi / seconds * np.arange(1, cosines + 1))
    sums = (shifted * np.fft.fft(np.concatenate((run[::2], run[1::2][::-1])))[1 : cosines + 1]).real
    return float(2 * np.mean(sums**2)), cosines


def _pooled(variances: Sequence[float], freedoms: Sequence[int]) -> float:
    """Return the degrees of freedom of a sum of estimated variances (Satterthwaite, Biometrics Bulletin 2, 1946)."""
    squares = sum(v**2 / freedom for v, freedom in zip(variances, freedoms, strict=True) if freedom)
    return sum(variances) ** 2 / squares if squares else float(sum(freedoms))


def _skewness(runs: Sequence[Floats]) -> float:
    """Return the skewness of the whole count, from the sums of parts of the runs."""
    sums = np.concatenate([_part_sums(run) for run in runs])
    parts = len(sums)
    square = float(np.mean(sums**2))
    if parts < _MIN_PARTS or square <= 0:
        return 0.0
    unbiased = (parts * (parts - 1)) ** 0.5 / (parts - 2)
    return float(unbiased * np.mean(sums**3) / square**1.5 / parts**0.5)


def _part_sums(run: Floats) -> Floats:
    parts = min(_PARTS, len(run))
    part = np.arange(len(run)) * parts // len(run)
    return np.bincount(part, weights=run - run.mean(), minlength=parts).astype("float64")
