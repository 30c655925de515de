"""Throughput of two sweeps: successful requests per second by user count, in all and by group of endpoints.

Compared by the procedure for latency, which takes figures of which more is worse: seconds per successful request. To
pass, all requests together must be shown to be within the margin at each user count. How many of them go to a group
is for the most part the users' chance, so a group may be found to have lost throughput, but need not be shown not to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.comparison import within_run
from perflab.analyse.comparison.columns import FOUND, frame
from perflab.analyse.comparison.compare_runs import Comparison
from perflab.analyse.comparison.procedure import THROUGHPUT_PART, Options, compare_part
from perflab.analyse.comparison.side import Cell, Side, common_cells
from perflab.analyse.comparison.wording import interval, scatter, throughput_words
from perflab.analyse.summary import Floats, Ints
from perflab.vocabulary.verdict import Change, Finding

_FIGURES = ("baseline", "candidate", *FOUND)
_FINDINGS = {
    Finding.SLOWER: Finding.LOWER,
    Finding.SLOWER_WITHIN_MARGIN: Finding.LOWER_WITHIN_MARGIN,
    Finding.FASTER: Finding.HIGHER,
}
_TOTAL = ""


@dataclass(frozen=True, slots=True)
class _Runs:
    """Successful requests and observed seconds of one side's runs that count, in one cell; ordered by repeat.

    `run` is each run's place among those of its side.
    """

    run: Ints
    repeat: Ints
    ok: Ints
    seconds: Floats

    def __getitem__(self, chosen: Any) -> _Runs:
        return _Runs(self.run[chosen], self.repeat[chosen], self.ok[chosen], self.seconds[chosen])

    def __len__(self) -> int:
        return len(self.repeat)

    @property
    def rates(self) -> Floats:
        """Successful requests per second of each run."""
        rates: Floats = self.ok / self.seconds
        return rates


@dataclass(frozen=True, slots=True)
class Throughput:
    """What was found: `totals`, `cells` and `groups` as in `SweepComparison`; `open` is why it can't pass."""

    totals: pd.DataFrame
    cells: pd.DataFrame
    groups: pd.DataFrame
    comparison: Comparison | None
    """Of all requests together."""
    by_group: Comparison | None
    open: list[str]

    @property
    def regressed(self) -> bool:
        """Whether there are fewer requests per second in all, or in a group."""
        return any(part is not None and part.verdict == Change.REGRESSION for part in (self.comparison, self.by_group))


def compare_throughput(baseline: Side, candidate: Side, options: Options) -> Throughput:
    """Compare the groups that both sides have requests of, at the user counts that both have."""
    cells = list(common_cells(baseline, candidate))
    sides = [_by_cell(side, cells) for side in (baseline, candidate)]
    totals = list(dict.fromkeys((users, _TOTAL) for users, _ in cells))
    in_all = [_total(runs) for runs in sides]
    several = len({group for _, group in cells}) > 1
    part = THROUGHPUT_PART / 2 if several else THROUGHPUT_PART
    both = (baseline, candidate)
    comparison, total_rows = _compare(totals, in_all, both, options, part)
    by_group, rows = _compare(cells, sides, both, options, part)
    names = (baseline.name, candidate.name)
    groups = [] if by_group is None else by_group.endpoints.to_dict("records")
    return Throughput(
        frame(total_rows, ("users", *_FIGURES)),
        frame(rows, ("users", "group", *_FIGURES)),
        frame(
            [{"group": row["endpoint"], **_inverted(row, options.margin)} for row in groups],
            ("group", *FOUND),
        ),
        comparison,
        by_group,
        [line for cell in cells for name, of in zip(names, sides, strict=True) for line in _idle(cell, name, of[cell])],
    )


def _by_cell(side: Side, cells: Sequence[Cell]) -> dict[Cell, _Runs]:
    used = side.counts[side.counts["used"]].sort_values("repeat", kind="stable")
    every = _Runs(*(used[name].to_numpy() for name in ("place", "repeat", "ok", "seconds")))
    at = used.groupby(["users", "group"]).indices
    return {cell: every[at[cell]] for cell in cells}


def _total(runs: Mapping[Cell, _Runs]) -> dict[Cell, _Runs]:
    """Return the same of all groups together; each has all runs of its user count."""
    totals: dict[Cell, _Runs] = {}
    for (users, _), of in runs.items():
        so_far = totals.get((users, _TOTAL))
        totals[users, _TOTAL] = of if so_far is None else replace(so_far, ok=so_far.ok + of.ok)
    return totals


def _compare(
    cells: Sequence[Cell],
    sides: Sequence[Mapping[Cell, _Runs]],
    both: Sequence[Side],
    options: Options,
    part: float,
) -> tuple[Comparison | None, list[dict[str, Any]]]:
    """Return the comparison of the cells that have runs enough, and a row for each of all cells."""
    runs = {cell: [of[cell][of[cell].ok > 0] for of in sides] for cell in cells}
    if options.paired:
        for cell, (one, other) in runs.items():
            runs[cell] = [one[np.isin(one.repeat, other.repeat)], other[np.isin(other.repeat, one.repeat)]]
    tested = [cell for cell in cells if min(map(len, runs[cell])) >= 2]
    before, after = (_figures(tested, [runs[cell][side] for cell in tested]) for side in (0, 1))
    comparison = compare_part(before, after, options, part)
    decided: dict[Cell, dict[str, Any]] = {}
    if comparison is not None:
        for found in comparison.cells.to_dict("records"):
            cell = tested[int(found["cell"])]
            means = {"baseline": 1 / found["baseline"], "candidate": 1 / found["candidate"]}
            decided[cell] = {"users": cell[0], "group": cell[1], **means, **_inverted(found, options.margin)}
    return comparison, [decided.get(cell) or _scatter(cell, runs[cell], both) for cell in cells]


def _figures(cells: Sequence[Cell], runs: Sequence[_Runs]) -> pd.DataFrame:
    """Return seconds per request as `compare_runs` takes them."""
    numbers = [len(of) for of in runs]
    return pd.DataFrame(
        {
            "cell": np.repeat(np.arange(len(cells)), numbers),
            "endpoint": np.repeat(np.array([group for _, group in cells], "object"), numbers),
            "run": np.concatenate([np.zeros(0, "int64"), *(of.repeat for of in runs)]),
            "value": np.concatenate([np.zeros(0), *(1 / of.rates for of in runs)]),
        }
    )


def _inverted(found: Mapping[Any, Any], margin: float) -> dict[str, Any]:
    """Return what was found of seconds per request as found of requests per second."""
    finding = Finding(found["verdict"])
    finding = _FINDINGS.get(finding, finding)
    ratio, low, high = 1 / found["ratio"], 1 / found["high"], 1 / found["low"]
    p_values = {name: found[name] for name in ("p_regression", "p_adjusted")}
    words = {"verdict": finding, "words": throughput_words(finding, margin), "evidence": interval(ratio, low, high)}
    return {"ratio": ratio, "low": low, "high": high, **p_values, **words}


def _scatter(cell: Cell, sides: Sequence[_Runs], both: Sequence[Side]) -> dict[str, Any]:
    """Return what the scatter of requests alone says of a cell."""
    row: dict[str, Any] = {"users": cell[0], "group": cell[1]}
    for name, runs in zip(("baseline", "candidate"), sides, strict=True):
        row[name] = float(np.exp(np.log(runs.rates).mean())) if len(runs) else 0.0
    if not all(map(len, sides)):
        finding = Finding.NOT_ASSESSABLE
        return {**row, "verdict": finding, "words": finding.value, "evidence": "a side has no successful request"}
    group = None if cell[1] == _TOTAL else cell[1]
    rates = [
        [within_run.of_rate(side.observations.of_group(run, group).ok) for run in runs.run.tolist()]
        for side, runs in zip(both, sides, strict=True)
    ]
    return {**row, **scatter(*within_run.ratio(*rates))}


def _idle(cell: Cell, side: str, runs: _Runs) -> Iterator[str]:
    without = int((runs.ok == 0).sum())
    if without:
        yield f"{cell[1]} at {cell[0]} users: {without} of {len(runs)} runs of the {side} have no successful request"
