"""Failure rates of two sweeps: do more requests fail? No margin: more failures are more failures.

An exact test on counts that allows for failures coming in some runs more than in others. Requests of one run share its
luck: if a service stalls once, a hundred of them fail. So the variance of failures between runs is compared with what
independent requests would have (Pearson's chi-square by its degrees of freedom), counts are divided by that ratio (Rao
and Scott, Biometrics 48, 1992), and the two rates compared by the conditional exact test of two Poisson rates
(Przyborowski and Wilenski, Biometrika 31, 1940), which the incomplete beta function extends to fractional counts. The
ratio is itself estimated from few runs: as in quasi-likelihood, the test's normal score is therefore taken for a t
value of as many degrees of freedom.

Arrays have the shape (..., cells, runs). A run without requests does not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from perflab.analyse.comparison.compare_runs import TOO_FEW_RUNS
from perflab.analyse.comparison.decision import ENDPOINTS_SHARE, FAILURES_SHARE, MISSED, SERIAL_CORRELATION, Rules, holm
from perflab.analyse.comparison.parts import Part, Row
from perflab.analyse.comparison.side import Cell, Side, common_cells, frame
from perflab.analyse.summary import Bools, Floats, Ints
from perflab.store.layout import SIDES
from perflab.vocabulary.text import listing
from perflab.vocabulary.verdict import Finding

_WORDS = {
    Finding.NOT_ASSESSABLE: "not assessable",
    Finding.MORE: "more requests fail",
    Finding.FEWER: "fewer requests fail",
    Finding.NO_MORE: "no more failures found",
}
# Of a comparison's requests: more than the default objective of a sweep allows to fail.
MANY_FAILURES = 0.01

_COLUMNS = (
    *("baseline_failed", "baseline_requests", "candidate_failed", "candidate_requests"),
    *("baseline_rate", "candidate_rate", "low", "high", "p_regression", "p_adjusted", "verdict", "words", "evidence"),
)


def compare_failures(baseline: Side, candidate: Side, rules: Rules) -> Part:
    """Compare the groups that both sides have requests of, at the levels that both have."""
    cells = common_cells(baseline, candidate)
    groups = list(dict.fromkeys(group for _, group in cells))
    of_group = np.array([groups.index(group) for _, group in cells], "int64")
    counts = [_counts(side, cells) for side in (baseline, candidate)]
    of_cells, of_groups = compare_rates(
        counts[0], counts[1], of_group, alpha=rules.alpha, share=FAILURES_SHARE, looks=rules.chances
    )
    totals = [(side.failed.sum(axis=-1), side.requests.sum(axis=-1)) for side in counts]
    by_group = [[np.bincount(of_group, numbers, len(groups)) for numbers in side] for side in totals]
    keys: dict[str, list[Any]] = {"level": [level for level, _ in cells], "group": [group for _, group in cells]}
    whole = _frame({"group": groups}, by_group, of_groups)
    return Part(
        cells=_frame(keys, totals, of_cells),
        by_group=whole,
        regressed=bool(of_cells.more.any() or of_groups.more.any()),
        notes=list(_notes(whole.to_dict("records"))),
    )


def _counts(side: Side, cells: Sequence[Cell]) -> Counts:
    """Return counts of shape (cells, runs), 0 where a cell has fewer runs."""
    most = max((len(side.used_counts[cell]) for cell in cells), default=0)
    failed, requests = np.zeros((len(cells), most)), np.zeros((len(cells), most))
    for at, cell in enumerate(cells):
        counts = side.used_counts[cell]
        failed[at, : len(counts)] = counts["failed"]
        requests[at, : len(counts)] = counts["failed"] + counts["ok"]
    return Counts(failed, requests)


def _frame(keys: Mapping[str, Sequence[Any]], totals: Sequence[Sequence[Any]], found: ComparedRates) -> pd.DataFrame:
    """Return what was found of each cell or group, with the numbers of both sides."""
    rows = pd.DataFrame(keys)
    for side, (failed, requests) in zip(SIDES, totals, strict=True):
        rows[f"{side}_failed"], rows[f"{side}_requests"], rows[f"{side}_rate"] = failed, requests, failed / requests
    rows["low"], rows["high"] = found.low, found.high
    rows["p_regression"], rows["p_adjusted"] = found.p_more, found.p_adjusted
    conditions = {Finding.NOT_ASSESSABLE: np.isnan(found.p_more), Finding.MORE: found.more, Finding.FEWER: found.fewer}
    rows["verdict"] = np.select(list(conditions.values()), list(conditions), Finding.NO_MORE)
    rows["words"] = rows["verdict"].map(_WORDS)
    figures = zip(*(rows[name] for name in ("baseline_rate", "candidate_rate", "low", "high")), strict=True)
    rows["evidence"] = [
        f"{_share(before)} and {_share(after)} failed ({100 * low:+.2g} to {100 * high:+.2g} points)"
        for before, after, low, high in figures
    ]
    rows.loc[rows["verdict"] == Finding.NOT_ASSESSABLE, "evidence"] = TOO_FEW_RUNS
    return frame(rows, (*keys, *_COLUMNS))


def _notes(groups: Sequence[Row]) -> Iterator[str]:
    """Yield how many more failures there may be where no more were found, and where many fail on both sides."""
    unfound = [row for row in groups if row["verdict"] == Finding.NO_MORE]
    if unfound:
        worst = max(unfound, key=lambda row: float(row["high"]))
        yield (
            f"no more failures were found in {listing([row['group'] for row in unfound])}; "
            f"up to {_share(max(worst['high'], 0))} more of requests may fail ({worst['group']})"
        )
    for row in groups:
        if min(row["baseline_rate"], row["candidate_rate"]) > MANY_FAILURES:
            yield (
                f"{_share(row['baseline_rate'])} of requests failed in {row['group']} of the baseline and "
                f"{_share(row['candidate_rate'])} of the candidate: a comparison judges the difference alone"
            )


def _share(rate: float) -> str:
    return f"{rate * 100:.2g} %"


@dataclass(frozen=True, slots=True)
class Counts:
    """Failed requests and all requests of one side's runs."""

    failed: Floats
    requests: Floats

    @property
    def runs(self) -> Ints:
        """The number of runs with requests."""
        runs: Ints = (self.requests > 0).sum(axis=-1)
        return runs

    @property
    def chi_square(self) -> Floats:
        """How much the runs' rates differ, by Pearson's chi-square."""
        with np.errstate(invalid="ignore"):
            rate = (self.failed.sum(axis=-1) / self.requests.sum(axis=-1))[..., np.newaxis]
        variance = self.requests * rate * (1 - rate)
        deviation = np.where(variance > 0, self.failed - self.requests * rate, 0.0)
        terms = np.divide(deviation**2, variance, out=np.zeros_like(variance), where=variance > 0)
        total: Floats = terms.sum(axis=-1)
        return total


@dataclass(frozen=True, slots=True)
class ComparedRates:
    """Failure rates compared, of shape (..., hypotheses); NaN where a side has fewer than 2 runs.

    `low` and `high` are bounds of the difference candidate minus baseline, each missed in at most `MISSED` of
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


def compare_rates(
    baseline: Counts, candidate: Counts, group: Ints, *, alpha: float, share: float, looks: int
) -> tuple[ComparedRates, ComparedRates]:
    """Compare failure rates of cells, and of groups over all their cells; `group` holds each cell's, counted from 0.

    A `share` of `alpha` is split between `looks`, groups and cells as in `decide`.
    """
    members = [group == number for number in range(group.max(initial=-1) + 1)]
    cells = _Cells.of(baseline, candidate)
    # Where each group is one cell, both kinds of hypotheses are the same.
    split = any(of_group.sum() > 1 for of_group in members)
    of_cells, of_groups = (1 - ENDPOINTS_SHARE, ENDPOINTS_SHARE) if split else (1.0, 1.0)
    level = MISSED / looks
    return (
        _test(cells, alpha, share * of_cells / looks, level),
        _test(cells.grouped(members), alpha, share * of_groups / looks, level),
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
    def of(cls, baseline: Counts, candidate: Counts) -> _Cells:
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

    def p_value(self, side: int) -> Floats:
        """Return the one-sided p-values against "this side's rate is not higher"; 0 is the baseline."""
        share = self.expected if side else 1 - self.expected
        own, other = self.failed[side] / self.factor, self.failed[1 - side] / self.factor
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
