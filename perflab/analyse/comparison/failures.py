"""Do more requests fail? An exact test on counts that allows for failures coming in some runs more than in others.

Requests of one run share its luck: if a service stalls once, a hundred of them fail. So the variance of failures
between runs is compared with what independent requests would have (Pearson's chi-square by its degrees of freedom),
counts are divided by that ratio (Rao and Scott, Biometrics 48, 1992), and the two rates compared by the conditional
exact test of two Poisson rates (Przyborowski and Wilenski, Biometrika 31, 1940), which the incomplete beta function
extends to fractional counts. The ratio is itself estimated from few runs: as in quasi-likelihood, the test's normal
score is therefore taken for a t value of as many degrees of freedom.

Arrays have the shape (..., cells, runs). A run without requests does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from perflab.analyse.comparison.decision import ENDPOINTS_PART, MISSED, SERIAL_CORRELATION, holm
from perflab.analyse.summary import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed requests and all requests of one side's runs."""

    failed: Floats
    requests: Floats

    @property
    def rate(self) -> Floats:
        """The share of failed requests, of all runs together."""
        with np.errstate(invalid="ignore"):
            rate: Floats = self.failed.sum(axis=-1) / self.requests.sum(axis=-1)
        return rate

    @property
    def runs(self) -> Ints:
        """The number of runs with requests."""
        runs: Ints = (self.requests > 0).sum(axis=-1)
        return runs

    @property
    def chi_square(self) -> Floats:
        """How much the runs' rates differ, by Pearson's chi-square."""
        rate = self.rate[..., np.newaxis]
        variance = self.requests * rate * (1 - rate)
        deviation = np.where(variance > 0, self.failed - self.requests * rate, 0.0)
        terms = np.divide(deviation**2, variance, out=np.zeros_like(variance), where=variance > 0)
        total: Floats = terms.sum(axis=-1)
        return total


@dataclass(frozen=True, slots=True)
class ComparedRates:
    """Failure rates compared, of shape (..., hypotheses); NaN where a side has fewer than 2 runs.

    `difference` is candidate minus baseline; `low` and `high` are bounds of it, each missed in at most `MISSED` of
    comparisons. `p_more` is one-sided, as it is; `p_adjusted` is for everything, to compare with alpha.
    """

    baseline_rate: Floats
    candidate_rate: Floats
    low: Floats
    high: Floats
    p_more: Floats
    p_adjusted: Floats
    more: Bools
    fewer: Bools


def compare_failures(
    baseline: Failures, candidate: Failures, group: Ints, *, alpha: float, part: float, looks: int
) -> tuple[ComparedRates, ComparedRates]:
    """Compare failure rates of cells, and of groups over all their cells; `group` holds each cell's, counted from 0.

    A `part` of `alpha` is split between `looks`, groups and cells as in `decide`.
    """
    members = [group == one for one in range(group.max(initial=-1) + 1)]
    cells = _Cells.of(baseline, candidate)
    # Where each group is one cell, both kinds of hypotheses are the same.
    split = any(of_group.sum() > 1 for of_group in members)
    of_cells, of_groups = (1 - ENDPOINTS_PART, ENDPOINTS_PART) if split else (1.0, 1.0)
    level = MISSED / looks
    return (
        _test(cells, alpha, part * of_cells / looks, level),
        _test(cells.grouped(members), alpha, part * of_groups / looks, level),
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """Counts of both sides over their runs, and the dispersion of failures between runs with its freedom.

    `expected` is the candidate's share of all failures if the two rates are the same.
    """

    failed: tuple[Floats, Floats]
    requests: tuple[Floats, Floats]
    expected: Floats
    dispersion: Floats
    freedom: Floats

    @classmethod
    def of(cls, baseline: Failures, candidate: Failures) -> _Cells:
        failed = (baseline.failed.sum(axis=-1), candidate.failed.sum(axis=-1))
        requests = (baseline.requests.sum(axis=-1), candidate.requests.sum(axis=-1))
        enough = (baseline.runs >= 2) & (candidate.runs >= 2)
        freedom = np.where(enough, baseline.runs + candidate.runs - 2, np.nan)
        with np.errstate(invalid="ignore"):
            expected = requests[1] / (requests[0] + requests[1])
        dispersion = (baseline.chi_square + candidate.chi_square) / freedom
        return cls(failed, requests, expected, dispersion, freedom)

    def grouped(self, members: list[Bools]) -> _Cells:
        """Return the same of each group as a whole, over those of its cells that can be compared."""

        def total(values: Floats) -> Floats:
            values = np.where(np.isfinite(self.freedom), values, 0.0)
            sums = [values[..., of_group].sum(axis=-1) for of_group in members]
            return np.stack(sums, axis=-1) if sums else np.zeros((*values.shape[:-1], 0))

        failed = (total(self.failed[0]), total(self.failed[1]))
        requests = (total(self.requests[0]), total(self.requests[1]))
        both = self.failed[0] + self.failed[1]
        dispersed = both * self.dispersion
        with np.errstate(divide="ignore", invalid="ignore"):
            # Variances of sums, with the degrees of freedom of Satterthwaite (Biometrics Bulletin 2, 1946).
            dispersion = total(dispersed) / total(both)
            freedom = total(dispersed) ** 2 / total(dispersed**2 / self.freedom)
            expected = total(both * self.expected) / total(both)
        # Without a failure that varies there is no dispersion, and nothing to be uncertain about.
        freedom = np.where(total(dispersed) > 0, freedom, total(self.freedom))
        none = total(self.freedom) == 0
        return _Cells(
            failed,
            requests,
            np.where(np.isfinite(expected), expected, 0.5),
            np.where(none, np.nan, np.where(np.isfinite(dispersion), dispersion, 0.0)),
            np.where(none, np.nan, freedom),
        )

    @property
    def factor(self) -> Floats:
        """By how much variances are larger than those of independent requests.

        Successive runs resemble each other in what they have beyond that, as in `effects`.
        """
        excess = np.maximum(self.dispersion - 1, 0)
        return 1 + excess * (1 + SERIAL_CORRELATION) / (1 - SERIAL_CORRELATION)

    def p_value(self, of: int) -> Floats:
        """Return the one-sided p-values against "this side's rate is not higher"; 0 is the baseline."""
        share = self.expected if of else 1 - self.expected
        own, other = self.failed[of] / self.factor, self.failed[1 - of] / self.factor
        exact = np.where(own > 0, special.betainc(np.where(own > 0, own, 1.0), other + 1, share), 1.0)
        # A fraction of a failure has next to no weight, but 1 has no finite score.
        score = special.ndtri(np.clip(exact, 1e-300, 1 - 1e-12))
        p: Floats = np.where(np.isfinite(self.freedom), special.stdtr(self.freedom, score), np.nan)
        return p

    def bounds(self, level: float) -> tuple[Floats, Floats]:
        """Return bounds of the difference of the rates, each missed with the probability `level`.

        From Clopper and Pearson's bounds of both: Zou and Donner (Statistics in Medicine 27, 2008).
        """
        factor = self.factor * (special.stdtrit(self.freedom, level) / special.ndtri(level)) ** 2
        rates, lows, highs = [], [], []
        for failed, requests in zip(self.failed, self.requests, strict=True):
            k, n = failed / factor, requests / factor
            with np.errstate(divide="ignore", invalid="ignore"):
                rates.append(k / n)
                lows.append(np.where(k > 0, special.betaincinv(k, n - k + 1, level), 0.0))
                highs.append(np.where(k < n, special.betaincinv(k + 1, n - k, 1 - level), 1.0))
        difference = rates[1] - rates[0]
        low = difference - np.hypot(rates[1] - lows[1], highs[0] - rates[0])
        high = difference + np.hypot(highs[1] - rates[1], rates[0] - lows[0])
        known = np.isfinite(self.freedom)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _test(cells: _Cells, alpha: float, share: float, level: float) -> ComparedRates:
    # Given no failure at all there is nothing that could be found, so there is nothing to be corrected for.
    some = cells.failed[0] + cells.failed[1] > 0
    p_more, p_fewer = cells.p_value(1), cells.p_value(0)
    adjusted = [np.minimum(holm(np.where(some, p, np.nan)) / share, 1) for p in (p_more, p_fewer)]
    low, high = cells.bounds(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = [failed / requests for failed, requests in zip(cells.failed, cells.requests, strict=True)]
    return ComparedRates(
        baseline_rate=rates[0],
        candidate_rate=rates[1],
        low=low,
        high=high,
        p_more=p_more,
        p_adjusted=np.where(some, adjusted[0], np.where(np.isfinite(p_more), 1.0, np.nan)),
        more=adjusted[0] <= alpha,
        fewer=adjusted[1] <= alpha,
    )
