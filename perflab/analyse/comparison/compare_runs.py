"""Two sets of runs compared: the verdict with every figure it rests on.

    compare_runs(baseline, candidate)    two DataFrames with the columns cell, run, value

The procedure and its measured error rates are in docs/explanation/statistics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.comparison.decision import (
    SERIAL_CORRELATION,
    Decision,
    Rules,
    Tested,
    additional_runs,
    advice,
    decide,
    indices,
    make_rules,
)
from perflab.analyse.summary import Bools, Floats, Ints
from perflab.errors import UsageError
from perflab.plan.ab import ALPHA, MARGIN
from perflab.vocabulary.number import Ratio, percent
from perflab.vocabulary.text import listing
from perflab.vocabulary.verdict import Change, Finding

TOO_FEW_RUNS = "it takes at least 2 runs on each side"
_COLUMNS = ("cell", "run", "value")
_WORDS = {
    Finding.SLOWER_WITHIN_MARGIN: "slower, but by less than the margin of {} %",
    Finding.WITHIN_MARGIN: "no slower than the margin of {} % allows",
    Finding.OPEN: "may or may not be slower by more than {} %",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candidate against baseline.

    `cells` has one row per cell: `cell`, `endpoint`, `baseline_runs`, `candidate_runs`, `baseline` and `candidate`
    (geometric means, in the values' unit), `ratio` with its bounds `low` and `high`, `p_regression` (one-sided, as it
    is), `p_adjusted` (for all cells, endpoints and looks: compare it with alpha), `verdict` (a `Finding`), `words` (the
    same for people) and `evidence` (its figures, or why it is not assessable). `endpoints` has the same without `cell`,
    of each endpoint's mean over its cells. Each bound is for its row alone, and is missed in at most 5 % of
    comparisons, all looks together. Paired, the means are of the runs that both sides have.

    Row verdicts: slower; slower, within the margin; within the margin; faster; open; not assessable.
    """

    verdict: Change
    text: str
    cells: pd.DataFrame
    endpoints: pd.DataFrame
    baseline_only: list[Any]
    """Cells that can't be compared, because the candidate has none of them."""
    candidate_only: list[Any]
    additional_runs: int | None
    """Additional runs a side that would probably settle an INCONCLUSIVE comparison; None: hopeless, or no figures yet.

    After the last look they would be those of a new comparison beyond the number of this one.
    """

    @property
    def improved(self) -> list[Any]:
        """Endpoints that are faster: of these too at most a share alpha of comparisons names one wrongly."""
        return self._endpoints(Finding.FASTER)

    @property
    def slower(self) -> list[Any]:
        """Endpoints that are slower as a whole, or in a cell, and not shown to be within the margin."""
        in_cells = self.cells.loc[self.cells["verdict"] == Finding.SLOWER, "endpoint"]
        return list(dict.fromkeys([*self._endpoints(Finding.SLOWER), *in_cells]))

    def _endpoints(self, finding: Finding) -> list[Any]:
        return self.endpoints.loc[self.endpoints["verdict"] == finding, "endpoint"].tolist()


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

    Both frames have one row per run and cell: `cell` names what is compared, `run` the run (all cells of one moment
    have the same), `value` is a positive figure of that run of which more is worse, such as p95 in ms. With a column
    `endpoint`, cells of one endpoint are judged together too; without one each cell is its own. With `paired`, runs of
    the same name belong together: made side by side, or in turns within a round.

    `margin` is the change that would not matter, as a fraction. `alpha` is how often two equal systems may be called a
    REGRESSION. `looks` are the numbers of runs a side, set beforehand, at which they are compared until there is a
    verdict (None: compared once); `look` is the present one, by default the number of runs there are.
    `serial_correlation` is how much successive runs are taken to resemble each other.

    Raises UsageError for frames that can't be compared, and for options out of range.

        runs = [pd.DataFrame({"cell": "checkout", "run": range(5), "value": p95_ms}) for p95_ms in (before, after)]
        comparison = perflab.compare_runs(*runs, margin=0.1)
        comparison.verdict, comparison.text, comparison.cells
    """
    rules = make_rules(
        paired=paired, margin=margin, alpha=alpha, looks=looks, look=look, serial_correlation=serial_correlation
    )
    return compare_by(rules, baseline, candidate)


def compare_by(rules: Rules, baseline: pd.DataFrame, candidate: pd.DataFrame) -> Comparison:
    """Compare the frames of `compare_runs` by `rules` that have been checked."""
    sides = _read_sides(baseline, candidate, paired=rules.paired)
    to_come = _looks_to_come(rules, sides.runs)
    decision = decide(sides.baseline, sides.candidate, sides.endpoint, rules)
    additional = None
    if decision.regression:
        verdict, first = Change.REGRESSION, "The candidate is slower."
    elif decision.passed:
        verdict, first = Change.NO_REGRESSION, "The candidate is not slower by more than the margin, in any cell."
    else:
        # After the last look there is nothing more to come, but how many a new comparison would take is worth knowing.
        additional = additional_runs(decision, rules, rules.look or sides.runs, to_come or None)
        settling = _advice(decision, additional, rules, sides.runs)
        verdict, first = Change.INCONCLUSIVE, f"It can't be told yet whether the candidate is slower: {settling}."
    means = [indices(side, decision.members) for side in (sides.baseline, sides.candidate)]
    endpoints = _frame({"endpoint": sides.endpoints}, decision.endpoints, means[0], means[1], rules)
    names = {"cell": sides.cells, "endpoint": [sides.endpoints[number] for number in sides.endpoint]}
    cells = _frame(names, decision.cells, sides.baseline, sides.candidate, rules)
    text = "\n".join([first, *_lines(cells, endpoints, sides)])
    return Comparison(verdict, text, cells, endpoints, sides.baseline_only, sides.candidate_only, additional)


@dataclass(frozen=True, slots=True)
class _Sides:
    """Logarithms of both sides, of shape (cells, runs), NaN where a run has no value, and what the rows are."""

    baseline: Floats
    candidate: Floats
    cells: list[Any]
    endpoints: list[Any]
    endpoint: Ints
    """Each cell's position in `endpoints`."""
    baseline_only: list[Any]
    candidate_only: list[Any]

    @property
    def runs(self) -> int:
        """The number of runs on the side that has more of them."""
        return int(max(self.baseline.shape[1], self.candidate.shape[1]))


def _read_sides(baseline: pd.DataFrame, candidate: pd.DataFrame, *, paired: bool) -> _Sides:
    """Arrange the frames' values; paired, run i of one side belongs to run i of the other; raises UsageError."""
    before, after = (_table(frame, name) for name, frame in (("baseline", baseline), ("candidate", candidate)))
    cells = [cell for cell in before.index if cell in after.index]
    if not cells:
        raise UsageError("baseline and candidate have no cell in common: name what is to be compared alike in both")
    if paired:
        for side, own, other in (("baseline", before, after), ("candidate", after, before)):
            if alone := [run for run in own.columns if run not in other.columns]:
                raise UsageError(
                    f"run {alone[0]} is in {side} only: paired runs are matched by name; leave it out, or use "
                    "paired=False"
                )
        after = after[before.columns]
    endpoint_of = _endpoints(baseline, candidate)
    names = [endpoint_of[cell] for cell in cells]
    endpoints = list(dict.fromkeys(names))
    return _Sides(
        baseline=before.loc[cells].to_numpy("float64"),
        candidate=after.loc[cells].to_numpy("float64"),
        cells=cells,
        endpoints=endpoints,
        endpoint=np.array([endpoints.index(name) for name in names], "int64"),
        baseline_only=[cell for cell in before.index if cell not in after.index],
        candidate_only=[cell for cell in after.index if cell not in before.index],
    )


def _table(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return logarithms, one row per cell and one column per run, both in order of appearance."""
    missing = [column for column in _COLUMNS if column not in frame.columns]
    if missing:
        raise UsageError(f"{name} has no column {missing[0]!r}: it needs the columns {', '.join(_COLUMNS)}")
    for column in ("cell", "run"):
        if frame[column].isna().any():
            raise UsageError(f"{name} has a row without a {column}: name it or leave the row out")
    values = pd.to_numeric(frame["value"], errors="coerce").to_numpy("float64")
    wrong: Bools = ~(np.isfinite(values) & (values > 0))
    if wrong.any():
        row = frame[wrong].iloc[0]
        raise UsageError(
            f"{name} has the value {row['value']} in cell {row['cell']}, run {row['run']}: "
            "values must be positive numbers; leave out what could not be measured"
        )
    double = frame.duplicated(["cell", "run"])
    if double.any():
        row = frame[double].iloc[0]
        raise UsageError(
            f"{name} has two values in cell {row['cell']}, run {row['run']}: give one figure per run and cell"
        )
    logs = pd.DataFrame({"cell": frame["cell"], "run": frame["run"], "log": np.log(values)})
    table = logs.pivot(index="cell", columns="run", values="log")
    return table.reindex(index=frame["cell"].unique(), columns=frame["run"].unique())


def _endpoints(*frames: pd.DataFrame) -> dict[Any, Any]:
    """Return each cell's endpoint: the column of that name, or the cell itself."""
    endpoints: dict[Any, Any] = {}
    for frame in frames:
        named = frame["endpoint"] if "endpoint" in frame.columns else frame["cell"]
        for cell, endpoint in dict.fromkeys(zip(frame["cell"], named, strict=True)):
            if endpoints.setdefault(cell, endpoint) != endpoint:
                raise UsageError(
                    f"cell {cell} belongs to endpoint {endpoints[cell]} and to {endpoint}: a cell has one endpoint, "
                    "the same in baseline and candidate"
                )
    return endpoints


def _looks_to_come(rules: Rules, runs: int) -> list[int]:
    """Return the looks after the present one."""
    present = rules.look or runs
    if rules.looks and present not in rules.looks:
        raise UsageError(
            f"{present} runs a side is none of the looks {', '.join(map(str, rules.looks))}: "
            "compare at these only, or once with looks=None"
        )
    if rules.looks and present < runs:
        raise UsageError(f"look is {present}, but there are {runs} runs a side: leave out those that came later")
    return [number for number in rules.looks if number > present]


def _frame(
    names: Mapping[str, list[Any]], tested: Tested, baseline: Floats, candidate: Floats, rules: Rules
) -> pd.DataFrame:
    if rules.paired:
        both = np.isfinite(baseline) & np.isfinite(candidate)
        baseline, candidate = (np.where(both, side, np.nan) for side in (baseline, candidate))
    ratio, low, high = (np.exp(logs) for logs in (tested.effects.difference, tested.low, tested.high))
    findings = list(_findings(tested))
    evidence = [
        TOO_FEW_RUNS if finding is Finding.NOT_ASSESSABLE else Ratio(*row).text
        for finding, *row in zip(findings, ratio.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    words = [_WORDS.get(finding, finding.value).format(percent(rules.margin)) for finding in findings]
    return pd.DataFrame(
        {
            **{name: pd.Series(values) for name, values in names.items()},
            "baseline_runs": np.isfinite(baseline).sum(axis=-1),
            "candidate_runs": np.isfinite(candidate).sum(axis=-1),
            "baseline": _geometric_mean(baseline),
            "candidate": _geometric_mean(candidate),
            "ratio": ratio,
            "low": low,
            "high": high,
            "p_regression": tested.effects.p_slower(),
            "p_adjusted": tested.p_slower,
            "verdict": pd.Series(findings, dtype="str"),
            "words": pd.Series(words, dtype="str"),
            "evidence": pd.Series(evidence, dtype="str"),
        }
    )


def _geometric_mean(logs: Floats) -> Floats:
    there = np.isfinite(logs)
    runs = np.where(there.any(axis=-1), there.sum(axis=-1), np.nan)
    mean: Floats = np.exp(np.where(there, logs, 0).sum(axis=-1) / runs)
    return mean


def _findings(tested: Tested) -> Iterator[Finding]:
    kinds = zip(tested.effects.assessable, tested.slower, tested.within, tested.faster, strict=True)
    for assessable, slower, within, faster in kinds:
        if not assessable:
            yield Finding.NOT_ASSESSABLE
        elif slower:
            yield Finding.SLOWER_WITHIN_MARGIN if within else Finding.SLOWER
        elif faster:
            yield Finding.FASTER
        else:
            yield Finding.WITHIN_MARGIN if within else Finding.OPEN


def _lines(cells: pd.DataFrame, endpoints: pd.DataFrame, sides: _Sides) -> Iterator[str]:
    for row in endpoints.itertuples():
        if row.verdict in (Finding.SLOWER, Finding.SLOWER_WITHIN_MARGIN, Finding.FASTER):
            yield f"{row.endpoint}: {row.words}: {row.evidence}"
    # Where the endpoint is named, its cells are in the table.
    named = set(endpoints.loc[endpoints["verdict"] == Finding.SLOWER, "endpoint"])
    for row in cells.itertuples():
        if row.verdict == Finding.SLOWER and row.endpoint not in named:
            yield f"{row.cell}: {row.words}: {row.evidence}"
    for side, alone in (("baseline", sides.baseline_only), ("candidate", sides.candidate_only)):
        if alone:
            yield f"Not comparable, in the {side} only: {listing(alone)}"


def _advice(decision: Decision, additional: int | None, rules: Rules, runs: int) -> str:
    if not decision.cells.effects.assessable.all():
        return "some cells have fewer than 2 runs on a side, and one run against one run tells nothing about a change"
    return advice(additional, rules, rules.look or runs, "runs a side")
