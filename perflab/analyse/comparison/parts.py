"""The three parts of a comparison, latency, throughput and failures: the shape they share, and what they come to.

Latency and throughput are ratios of geometric means over runs. One run on a side is no verdict; then there is the
scatter of its requests, which says how far single runs tell two figures apart. What runs of the same service differ by
is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from perflab.analyse.bounds import Estimate
from perflab.analyse.comparison.compare_runs import Comparison, compare_by
from perflab.analyse.comparison.decision import Rules, advice
from perflab.analyse.summary import Floats, Ints
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.number import Ratio, percent
from perflab.vocabulary.text import listing
from perflab.vocabulary.verdict import Change, Finding

FOUND = ("ratio", "low", "high", "p_regression", "p_adjusted", "verdict", "words", "evidence")
"""The columns that say what was found of a cell or of a group."""
Row: TypeAlias = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What was found of latency, throughput or failures: frames as in `SweepComparison`."""

    cells: pd.DataFrame
    by_group: pd.DataFrame
    by_level: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of all groups together; of throughput only."""
    deciding: Comparison | None = None
    """What must be shown to be within the margin for the whole to pass; None: nothing of it could be compared."""
    regressed: bool = False
    open: Sequence[str] = ()
    """Why it can't pass, one line each."""
    notes: Sequence[str] = ()

    @property
    def undecided(self) -> bool:
        """Whether the procedure has no verdict yet."""
        return self.deciding is not None and self.deciding.verdict == Change.INCONCLUSIVE

    @property
    def worse(self) -> Iterator[str]:
        """What is worse, one phrase each: all together, groups as a whole, and cells of groups that aren't."""
        whole = [row for row in self.by_group.to_dict("records") if Finding(row["verdict"]).worse]
        named = {row["group"] for row in whole}
        cells = [row for row in self.cells.to_dict("records") if row["group"] not in named]
        yield from (
            _phrase(row) for row in [*self.by_level.to_dict("records"), *whole, *cells] if Finding(row["verdict"]).worse
        )


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The three parts, and what lies beyond them: why the comparison is `invalid`, and why it can't pass (`open`)."""

    latency: Part
    throughput: Part
    failures: Part
    rules: Rules
    rounds: int
    """The number of rounds, or of runs a side, that there are."""
    invalid: Sequence[str]
    open: Sequence[str]

    @property
    def change(self) -> Change:
        """The verdict on the change."""
        if self.invalid:
            return Change.INVALID
        if self.latency.regressed or self.throughput.regressed or self.failures.regressed:
            return Change.REGRESSION
        deciding = (self.latency.deciding, self.throughput.deciding)
        passed = all(part is not None and part.verdict == Change.NO_REGRESSION for part in deciding)
        return Change.NO_REGRESSION if passed and not self._all_open else Change.INCONCLUSIVE

    @property
    def additional_runs(self) -> int | None:
        """How many more would probably settle it; None: it is settled, hopeless, or there is nothing to go by."""
        if self.change != Change.INCONCLUSIVE:
            return None
        needed = [part.deciding.additional_runs for part in self._undecided if part.deciding is not None]
        return None if None in needed else max((runs for runs in needed if runs is not None), default=None)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        margin = f"{percent(self.rules.margin)} %"
        if self.change == Change.INVALID:
            return f"The two can't be compared: {self.invalid[0]}"
        if self.change == Change.REGRESSION:
            return f"The candidate is worse: {'; '.join(self._worse)}"
        if self.change == Change.NO_REGRESSION:
            return f"The candidate is not slower by more than the margin of {margin}, in any cell"
        unknown = f"It can't be told whether the candidate is slower by more than {margin}"
        if self._all_open:
            # No number of runs would mend that.
            return f"{unknown}: {self._all_open[0]}"
        if not self._undecided:
            return unknown
        runs = "rounds" if self.rules.paired else "runs a side"
        return f"{unknown}: {advice(self.additional_runs, self.rules, self.rounds, runs)}"

    @property
    def reasons(self) -> list[str]:
        """Why it does not pass, one line each, the worst first; none for NO_REGRESSION."""
        if self.change == Change.INVALID:
            return list(self.invalid)
        if self.change == Change.NO_REGRESSION:
            return []
        margin = f"{percent(self.rules.margin)} %"
        undecided = [
            f"may {worse} by more than {margin}: {listing(_names(cells, Finding.OPEN))}"
            for part, cells, worse in (
                (self.latency, self.latency.cells, "be slower"),
                (self.throughput, self.throughput.by_level, "have lost throughput"),
            )
            if part.undecided
        ]
        return [*self._worse, *self._all_open, *undecided]

    @property
    def other_reasons(self) -> list[str]:
        """Those of the reasons that the headline doesn't name."""
        named = len(self._worse) if self.change == Change.REGRESSION else 1 if self.invalid or self._all_open else 0
        return self.reasons[named:]

    @property
    def improvements(self) -> list[str]:
        """What has become better, one line each."""
        wholes = (self.latency.by_group, self.throughput.by_level, self.failures.by_group)
        return [_phrase(row) for rows in wholes for row in rows.to_dict("records") if Finding(row["verdict"]).better]

    @property
    def _undecided(self) -> list[Part]:
        return [part for part in (self.latency, self.throughput) if part.undecided]

    @property
    def _all_open(self) -> list[str]:
        return [*self.open, *self.latency.open, *self.throughput.open]

    @property
    def _worse(self) -> list[str]:
        return [phrase for part in (self.latency, self.throughput, self.failures) for phrase in part.worse]


def _phrase(row: Mapping[Any, Any]) -> str:
    return f"{_name(row)}: {row['words']}, {row['evidence']}"


def _name(row: Mapping[Any, Any]) -> str:
    """Return what a row is about, such as payments p95 at 100 users."""
    metric = metric_of(row["metric"]).words if "metric" in row else ""
    what = [row.get("group", "all requests"), metric, f"at {row['level']}" if "level" in row else ""]
    return " ".join(word for word in what if word)


def _names(rows: pd.DataFrame, finding: Finding) -> list[str]:
    return [_name(row) for row in rows.to_dict("records") if row["verdict"] == finding]


def not_assessable(why: str) -> Row:
    """Return what is found of a cell of which nothing can be found, as columns."""
    return {"verdict": Finding.NOT_ASSESSABLE, "words": Finding.NOT_ASSESSABLE.value, "evidence": why}


def single_run(ratio: Ratio) -> Row:
    """Return what is found of a cell that has one run on some side, as columns; bounds are those of the scatter."""
    words = "open, by the scatter of requests alone, not of runs"
    return {**ratio._asdict(), "verdict": Finding.OPEN, "words": words, "evidence": ratio.text}


class Values(NamedTuple):
    """A figure of which more is worse, of one side's runs in one cell."""

    repeat: Ints
    value: Floats


def compare_cells(
    groups: Sequence[str], sides: Sequence[Sequence[Values]], rules: Rules, share: float
) -> Comparison | None:
    """Compare cells, each of a group and with the values of both sides, with a share of alpha; None without any.

    Paired, both sides have the same runs of each. P-values are adjusted to be compared with the whole of alpha.
    """
    if not groups:
        return None
    frames = []
    for values in sides:
        numbers = [len(of_cell.repeat) for of_cell in values]
        columns = {
            "cell": np.repeat(np.arange(len(groups)), numbers),
            "endpoint": np.repeat(np.array(groups, "object"), numbers),
            "run": np.concatenate([of_cell.repeat for of_cell in values]),
            "value": np.concatenate([of_cell.value for of_cell in values]),
        }
        frames.append(pd.DataFrame(columns))
    found = compare_by(replace(rules, alpha=rules.alpha * share), *frames)
    cells, endpoints = (
        rows.assign(p_adjusted=np.minimum(rows["p_adjusted"] / share, 1)) for rows in (found.cells, found.endpoints)
    )
    return replace(found, cells=cells, endpoints=endpoints)


def regressed(comparison: Comparison | None) -> bool:
    """Return whether a comparison has found a regression."""
    return comparison is not None and comparison.verdict == Change.REGRESSION


class Scatter(NamedTuple):
    """The logarithm of a run's figure, and how far below and above it the true one may lie, each with 95 % confidence.

    The bounds allow for requests that depend on each other.
    """

    value: float
    below: float
    above: float

    @classmethod
    def of(cls, estimate: Estimate) -> Scatter:
        """Return the scatter of a figure with bounds."""
        # So few requests that none could be true have no logarithm to start from either.
        bounds = (estimate.value, estimate.bounds.low, estimate.bounds.high)
        value, low, high = (figure or np.nan for figure in bounds)
        return cls(*map(float, np.log([value, value / low, high / value])))

    @classmethod
    def mean(cls, runs: Sequence[Scatter]) -> Scatter:
        """Return that of the geometric mean of several runs."""
        value, below, above = np.array(runs).T
        reach = (float(np.sqrt(np.sum(np.square(side)))) / len(runs) for side in (below, above))
        return cls(float(np.mean(value)), *reach)


def scatter_ratio(baseline: Sequence[Scatter], candidate: Sequence[Scatter]) -> Ratio:
    """Return the ratio of the geometric means with its bounds.

    The bounds of a difference from those of its two parts: Zou and Donner (Statistics in Medicine 27, 2008).
    """
    before, after = Scatter.mean(baseline), Scatter.mean(candidate)
    difference = after.value - before.value
    low = difference - np.hypot(after.below, before.above)
    high = difference + np.hypot(after.above, before.below)
    return Ratio(*map(float, np.exp([difference, low, high])))
