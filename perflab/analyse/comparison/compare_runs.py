"""Two sets of runs compared: the verdict with every figure it rests on.

    compare_runs(baseline, candidate)    two DataFrames with the columns cell, run, value

The procedure and its measured error rates are in docs/explanation/statistics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.comparison.decision import SERIAL_CORRELATION, Decision, Rules, Tested, decide
from perflab.analyse.comparison.effects import indices
from perflab.analyse.comparison.frames import Sides, read_sides
from perflab.analyse.comparison.further import MOST_RUNS, further_runs
from perflab.analyse.comparison.wording import all_taken, names, sentence
from perflab.analyse.summary import Floats
from perflab.errors import UsageError
from perflab.plan.ab import ALPHA, MARGIN
from perflab.vocabulary.verdict import Change


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate against baseline.

    `cells` has a row a cell: `cell`, `endpoint`, `baseline_runs`, `candidate_runs`, `baseline` and `candidate`
    (geometric means, in the values' unit), `ratio` with its bounds `low` and `high`, `p_regression` (one-sided, as it
    is), `p_adjusted` (for all cells, endpoints and looks: compare it with alpha), `verdict` and `words`. `endpoints`
    has the same without `cell`, of each endpoint's mean over its cells. Each bound is for its row alone, and is missed
    in at most 5 % of comparisons, all looks together. Paired, the means are of the runs that both sides have.

    Row verdicts: slower; slower, within the margin; within the margin; faster; open; not assessable.
    """

    verdict: Change
    text: str
    cells: pd.DataFrame
    endpoints: pd.DataFrame
    baseline_only: list[Any]
    """Cells that can't be compared, because the candidate has none of them."""
    candidate_only: list[Any]
    further_runs: int | None
    """Further runs a side that would probably settle an INCONCLUSIVE comparison; None: hopeless, or nothing to go by.

    After the last look they would be those of a new comparison beyond the number of this one.
    """

    @property
    def improved(self) -> list[Any]:
        """Endpoints that are faster: of these too at most a share alpha of comparisons names one wrongly."""
        return self._endpoints("faster")

    @property
    def slower(self) -> list[Any]:
        """Endpoints that are slower as a whole, or in a cell, and not shown to be within the margin."""
        in_cells = self.cells.loc[self.cells["verdict"] == "slower", "endpoint"]
        return list(dict.fromkeys([*self._endpoints("slower"), *in_cells]))

    def _endpoints(self, verdict: str) -> list[Any]:
        return self.endpoints.loc[self.endpoints["verdict"] == verdict, "endpoint"].tolist()


def compare_runs(
    baseline: pd.DataFrame,
    candidate: pd.DataFrame,
    *,
    paired: bool = False,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    looks: Sequence[int] | None = None,
    look: int | None = None,
    serial_correlation: float = SERIAL_CORRELATION,
) -> Comparison:
    """Tell whether the candidate is slower than the baseline.

    Both frames have a row a run and cell: `cell` names what is compared, `run` the run (all cells of one moment have
    the same), `value` is a positive figure of that run of which more is worse, such as p95 in ms. With a column
    `endpoint`, cells of one endpoint are told together too; without one each cell is its own. With `paired`, runs of
    the same name belong together: made side by side, or in turns within a round.

    `margin` is the change that would not matter, as a fraction. `alpha` is how often a REGRESSION may be told of two
    equal systems. `looks` are the numbers of runs a side, set beforehand, at which they are compared until there is a
    verdict (None: compared once); `look` is the present one, by default the number of runs there are.
    `serial_correlation` is how much successive runs are taken to resemble each other.

    Raises UsageError for frames that can't be compared, and for options out of range.
    """
    check_options(margin, alpha, serial_correlation)
    sides = read_sides(baseline, candidate, paired=paired)
    to_come = _to_come(looks, look, sides.runs)
    rules = Rules(paired, margin, alpha, len(looks) if looks else 1, serial_correlation)
    decision = decide(sides.baseline, sides.candidate, sides.endpoint, rules)
    verdict: Change = Change.INCONCLUSIVE
    if decision.regression:
        verdict = Change.REGRESSION
    elif decision.passed:
        verdict = Change.NO_REGRESSION
    further = None
    if verdict == Change.INCONCLUSIVE:
        # After the last look there is nothing more to come, but how many a new comparison would take is worth knowing.
        further = further_runs(decision, rules, look or sides.runs, to_come or None)
    means = [indices(side, decision.members) for side in (sides.baseline, sides.candidate)]
    endpoints = _frame(decision.endpoints, means[0], means[1], rules)
    endpoints.insert(0, "endpoint", pd.Series(sides.endpoints))
    cells = _frame(decision.cells, sides.baseline, sides.candidate, rules)
    cells.insert(0, "endpoint", pd.Series([sides.endpoints[one] for one in sides.endpoint]))
    cells.insert(0, "cell", pd.Series(sides.cells))
    lines = _lines(verdict, cells, endpoints, sides, decision, further, to_come)
    return Comparison(verdict, "\n".join(lines), cells, endpoints, sides.baseline_only, sides.candidate_only, further)


def check_options(margin: float, alpha: float, serial_correlation: float = SERIAL_CORRELATION) -> None:
    """Raise UsageError for an option out of range."""
    if not 0 <= margin <= 1:
        raise UsageError(f"margin is {margin}: it is a fraction from 0 to 1, such as 0.05 for 5 %")
    if not 0 < alpha <= 0.05:
        raise UsageError(f"alpha is {alpha}: it is a probability above 0 and at most 0.05, such as 0.01")
    if not 0 <= serial_correlation < 1:
        raise UsageError(f"serial_correlation is {serial_correlation}: it is at least 0 and less than 1, such as 0.2")


def _to_come(looks: Sequence[int] | None, look: int | None, runs: int) -> list[int] | None:
    """Return the looks after the present one; None if there is no plan."""
    if looks is None:
        if look is not None:
            raise UsageError(f"look is {look}, but no looks are set: name all of them, such as looks=(5, 10, 15, 20)")
        return None
    if not looks or list(looks) != sorted(set(looks)) or looks[0] < 2:
        raise UsageError(f"looks are {tuple(looks)}: they are numbers of runs a side, from 2, each more than the last")
    present = runs if look is None else look
    if present not in looks:
        raise UsageError(
            f"{present} runs a side is none of the looks {', '.join(map(str, looks))}: "
            "compare at these only, or once with looks=None"
        )
    if present < runs:
        raise UsageError(f"look is {present}, but there are {runs} runs a side: leave out those that came later")
    return [number for number in looks if number > present]


def _frame(tested: Tested, baseline: Floats, candidate: Floats, rules: Rules) -> pd.DataFrame:
    if rules.paired:
        both = np.isfinite(baseline) & np.isfinite(candidate)
        baseline, candidate = (np.where(both, side, np.nan) for side in (baseline, candidate))
    ratio, low, high = (np.exp(logs) for logs in (tested.effects.difference, tested.low, tested.high))
    verdicts = list(_verdicts(tested))
    rows = zip(verdicts, ratio.tolist(), low.tolist(), high.tolist(), strict=True)
    return pd.DataFrame(
        {
            "baseline_runs": np.isfinite(baseline).sum(axis=-1),
            "candidate_runs": np.isfinite(candidate).sum(axis=-1),
            "baseline": _geometric_mean(baseline),
            "candidate": _geometric_mean(candidate),
            "ratio": ratio,
            "low": low,
            "high": high,
            "p_regression": tested.effects.p_slower(),
            "p_adjusted": tested.p_slower,
            "verdict": pd.Series(verdicts, dtype="str"),
            "words": pd.Series([sentence(*row, rules.margin) for row in rows], dtype="str"),
        }
    )


def _geometric_mean(logs: Floats) -> Floats:
    there = np.isfinite(logs)
    runs = np.where(there.any(axis=-1), there.sum(axis=-1), np.nan)
    mean: Floats = np.exp(np.where(there, logs, 0).sum(axis=-1) / runs)
    return mean


def _verdicts(tested: Tested) -> Iterator[str]:
    kinds = zip(tested.effects.assessable, tested.slower, tested.within, tested.faster, strict=True)
    for assessable, slower, within, faster in kinds:
        if not assessable:
            yield "not assessable"
        elif slower:
            yield "slower, within the margin" if within else "slower"
        elif faster:
            yield "faster"
        else:
            yield "within the margin" if within else "open"


def _lines(
    verdict: Change,
    cells: pd.DataFrame,
    endpoints: pd.DataFrame,
    sides: Sides,
    decision: Decision,
    further: int | None,
    to_come: list[int] | None,
) -> Iterator[str]:
    if verdict == Change.REGRESSION:
        yield "The candidate is slower."
    elif verdict == Change.NO_REGRESSION:
        yield "The candidate is not slower by more than the margin, in any cell."
    else:
        yield f"It can't be told yet whether the candidate is slower: {_advice(decision, further, to_come)}."
    for row in endpoints.itertuples():
        if row.verdict in ("slower", "slower, within the margin", "faster"):
            yield f"{row.endpoint}: {row.words}"
    # Where the endpoint is told, its cells stand in the table.
    told = set(endpoints.loc[endpoints["verdict"] == "slower", "endpoint"])
    for row in cells.itertuples():
        if row.verdict == "slower" and row.endpoint not in told:
            yield f"{row.cell}: {row.words}"
    for side, alone in (("baseline", sides.baseline_only), ("candidate", sides.candidate_only)):
        if alone:
            yield f"Not comparable, in the {side} only: {names(alone)}"


def _advice(decision: Decision, further: int | None, to_come: list[int] | None) -> str:
    if not decision.cells.effects.assessable.all():
        return "some cells have fewer than 2 runs on a side, and one run against one run tells nothing about a change"
    if to_come == []:
        return all_taken(further, "runs a side")
    if further is None and to_come:
        return f"{to_come[-1]} runs a side will probably not do; make longer runs, or allow a wider margin"
    if further is None:
        return f"not even {MOST_RUNS} runs a side would probably do; make longer runs, or allow a wider margin"
    return f"about {further} more runs a side would probably settle it"
