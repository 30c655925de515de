"""Error rates of two sweeps by user count and group of endpoints. No margin: more failures are more failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.comparison.columns import frame
from perflab.analyse.comparison.failures import ComparedRates, Failures, compare_failures
from perflab.analyse.comparison.procedure import ERRORS_PART, Options
from perflab.analyse.comparison.side import Cell, Side, common_cells
from perflab.analyse.comparison.wording import TOO_FEW_RUNS, failure_words, rates
from perflab.vocabulary.verdict import Finding

FIGURES = (
    *("baseline_failed", "baseline_requests", "candidate_failed", "candidate_requests"),
    *("baseline_rate", "candidate_rate", "low", "high", "p_regression", "p_adjusted", "verdict", "words", "evidence"),
)


@dataclass(frozen=True, slots=True)
class Errors:
    """What was found: `cells` and `groups` as in `SweepComparison`."""

    cells: pd.DataFrame
    groups: pd.DataFrame

    @property
    def more(self) -> list[str]:
        """The groups of which more requests fail, as a whole or at a user count."""
        found = [frame.loc[frame["verdict"] == Finding.MORE, "group"] for frame in (self.groups, self.cells)]
        return list(dict.fromkeys(pd.concat(found)))


def compare_errors(baseline: Side, candidate: Side, options: Options) -> Errors:
    """Compare the groups that both sides have requests of, at the user counts that both have."""
    cells = list(common_cells(baseline, candidate))
    groups = list(dict.fromkeys(group for _, group in cells))
    of_group = np.array([groups.index(group) for _, group in cells], "int64")
    sides = [_failures(side, cells) for side in (baseline, candidate)]
    of_cells, of_groups = compare_failures(
        sides[0], sides[1], of_group, alpha=options.alpha, part=ERRORS_PART, looks=options.chances
    )
    counts = [(side.failed.sum(axis=-1), side.requests.sum(axis=-1)) for side in sides]
    by_group = [
        [np.bincount(of_group, weights=of_cell, minlength=len(groups)) for of_cell in of_side] for of_side in counts
    ]
    cell_rows = [
        {"users": users, "group": group, **row}
        for (users, group), row in zip(cells, _rows(counts, of_cells), strict=True)
    ]
    group_rows = [{"group": group, **row} for group, row in zip(groups, _rows(by_group, of_groups), strict=True)]
    return Errors(frame(cell_rows, ("users", "group", *FIGURES)), frame(group_rows, ("group", *FIGURES)))


def _failures(side: Side, cells: Sequence[Cell]) -> Failures:
    """Return counts of shape (cells, runs), 0 where a cell has fewer runs."""
    used = side.counts[side.counts["used"]]
    rows = dict(iter(used.groupby(["users", "group"])))
    most = max((len(rows[cell]) for cell in cells), default=0)
    failed, requests = np.zeros((len(cells), most)), np.zeros((len(cells), most))
    for at, cell in enumerate(cells):
        of = rows[cell]
        failed[at, : len(of)] = of["failed"]
        requests[at, : len(of)] = of["failed"] + of["ok"]
    return Failures(failed, requests)


def _rows(counts: Sequence[Sequence[Any]], found: ComparedRates) -> list[dict[str, Any]]:
    rows = []
    for at in range(len(found.low)):
        row: dict[str, Any] = {}
        for side, (failed, requests) in zip(("baseline", "candidate"), counts, strict=True):
            row |= {f"{side}_failed": int(failed[at]), f"{side}_requests": int(requests[at])}
            row[f"{side}_rate"] = failed[at] / requests[at] if requests[at] else np.nan
        row |= {"low": found.low[at], "high": found.high[at]}
        row |= {"p_regression": found.p_more[at], "p_adjusted": found.p_adjusted[at]}
        finding = _finding(found, at)
        row |= {"verdict": finding, "words": failure_words(finding)}
        row["evidence"] = (
            TOO_FEW_RUNS
            if finding is Finding.NOT_ASSESSABLE
            else rates(row["baseline_rate"], row["candidate_rate"], row["low"], row["high"])
        )
        rows.append(row)
    return rows


def _finding(found: ComparedRates, at: int) -> Finding:
    if not np.isfinite(found.p_more[at]):
        return Finding.NOT_ASSESSABLE
    return Finding.MORE if found.more[at] else Finding.FEWER if found.fewer[at] else Finding.NO_MORE
