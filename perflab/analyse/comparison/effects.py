"""How much slower: differences of mean logarithms, run by run, with their standard errors.

The run is the replicate. Requests of one run share the machine and its moment; however many there are, they are one
observation of both. Arrays have the shape (..., cells, runs); a run without a value in a cell is NaN there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from perflab.analyse.summary import Bools, Floats

# Recorded percentiles lie in buckets 1 % wide, so runs that agree exactly are known no better than this, relatively.
RESOLUTION = 0.01 / np.sqrt(12)


@dataclass(frozen=True, slots=True)
class Effects:
    """Differences candidate minus baseline of mean logarithms, of shape (..., hypotheses); NaN: not to be had.

    `error` is the standard error, `freedom` the degrees of freedom of its t distribution.
    """

    difference: Floats
    error: Floats
    freedom: Floats

    @property
    def assessable(self) -> Bools:
        """Which have enough runs for a standard error."""
        return np.isfinite(self.error)

    def p_slower(self) -> Floats:
        """Return the one-sided p-values against "the candidate is not slower"."""
        return _student(self.freedom, -self.difference / self.error)

    def p_faster(self) -> Floats:
        """Return the one-sided p-values against "the candidate is not faster"."""
        return _student(self.freedom, self.difference / self.error)

    def bounds(self, level: float) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of the differences, each missed with the probability `level`."""
        reach = -_quantile(self.freedom, level) * self.error
        return self.difference - reach, self.difference + reach

    def expected(self, runs: float, times: float) -> Effects:
        """Return what to expect with `times` the runs, if the differences stay as they are; `runs` is how many now."""
        freedom = self.freedom * (runs * times - 1) / (runs - 1)
        return Effects(self.difference, self.error / np.sqrt(times), freedom)


def effects(baseline: Floats, candidate: Floats, *, paired: bool, serial_correlation: float) -> Effects:
    """Compare logarithms of shape (..., cells, runs); paired, run i of one side belongs to run i of the other.

    Successive runs resemble each other, which makes a mean less certain than its runs' spread tells. The variance is
    widened by what a first-order autoregression with this correlation asks for in a long series; at 5 runs that is
    right within 3 %.
    """
    found = _paired(candidate - baseline) if paired else _welch(baseline, candidate)
    widening = np.sqrt((1 + serial_correlation) / (1 - serial_correlation))
    return Effects(found.difference, found.error * widening, found.freedom)


def indices(logs: Floats, members: Sequence[Bools]) -> Floats:
    """Return each endpoint's mean logarithm over its cells, of shape (..., endpoints, runs).

    `members` masks the cells of each endpoint. A run that lacks one of the cells has no index: means over different
    cells are not to be compared.
    """
    return np.stack([logs[..., cells, :].mean(axis=-2) for cells in members], axis=-2)


def _welch(baseline: Floats, candidate: Floats) -> Effects:
    mean_0, variance_0, runs_0 = _moments(baseline, RESOLUTION**2)
    mean_1, variance_1, runs_1 = _moments(candidate, RESOLUTION**2)
    part_0, part_1 = variance_0 / runs_0, variance_1 / runs_1
    total = part_0 + part_1
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = total**2 / (part_0**2 / (runs_0 - 1) + part_1**2 / (runs_1 - 1))
    return Effects(mean_1 - mean_0, np.sqrt(total), freedom)


def _paired(differences: Floats) -> Effects:
    mean, variance, runs = _moments(differences, 2 * RESOLUTION**2)
    return Effects(mean, np.sqrt(variance / runs), np.where(runs > 1, runs - 1, np.nan))


def _moments(logs: Floats, least: float) -> tuple[Floats, Floats, Floats]:
    """Return mean, variance and number of runs; the variance of fewer than 2 runs is NaN."""
    there = np.isfinite(logs)
    runs = there.sum(axis=-1).astype("float64")
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(there, logs, 0).sum(axis=-1) / runs
        squares = np.where(there, logs - mean[..., np.newaxis], 0) ** 2
        variance = np.where(runs > 1, np.maximum(squares.sum(axis=-1) / (runs - 1), least), np.nan)
    return mean, variance, runs


def _student(freedom: Floats, t: Floats) -> Floats:
    result: Floats = special.stdtr(freedom, t)
    return result


def _quantile(freedom: Floats, p: float) -> Floats:
    result: Floats = special.stdtrit(freedom, p)
    return result
