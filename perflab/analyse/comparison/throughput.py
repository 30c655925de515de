"""Throughput of two sweeps: successful requests per second by level, in all and by group of endpoints.

Compared by the procedure for latency, which takes figures of which more is worse: seconds per successful request. To
pass, all requests together must be shown to be within the margin at each level. How many of them go to a group
is for the most part the users' chance, so a group may be found to have lost throughput, but need not be shown not to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.bounds import throughput_of
from perflab.analyse.comparison.compare_runs import Comparison
from perflab.analyse.comparison.decision import THROUGHPUT_SHARE, Rules
from perflab.analyse.comparison.parts import (
    FOUND,
    Part,
    Row,
    Scatter,
    Values,
    compare_cells,
    not_assessable,
    regressed,
    scatter_ratio,
    single_run,
)
from perflab.analyse.comparison.side import Cell, Side, common_cells, frame
from perflab.analyse.summary import Bools, Floats, Ints
from perflab.store.layout import SIDES
from perflab.vocabulary.number import Ratio, percent
from perflab.vocabulary.verdict import Finding

_COLUMNS = (*SIDES, *FOUND)
_ALL = ""
"""The group of all requests together."""
_FINDINGS = {
    Finding.SLOWER: Finding.LOWER,
    Finding.SLOWER_WITHIN_MARGIN: Finding.LOWER_WITHIN_MARGIN,
    Finding.FASTER: Finding.HIGHER,
}
_WORDS = {
    Finding.LOWER: "fewer requests/s",
    Finding.LOWER_WITHIN_MARGIN: "fewer requests/s, but by less than the margin of {} %",
    Finding.HIGHER: "more requests/s",
    Finding.WITHIN_MARGIN: "no fewer requests/s than the margin of {} % allows",
    Finding.OPEN: "may or may not be fewer requests/s by more than {} %",
}


def compare_throughput(baseline: Side, candidate: Side, rules: Rules) -> Part:
    """Compare the groups that both sides have requests of, at the levels that both have."""
    cells, both = common_cells(baseline, candidate), (baseline, candidate)
    served = [{cell: _Served.of(side.used_counts[cell]) for cell in cells} for side in both]
    share = THROUGHPUT_SHARE / 2 if len({group for _, group in cells}) > 1 else THROUGHPUT_SHARE
    in_all, by_level = _compare_served([_total(side) for side in served], both, rules, share)
    of_groups, by_cell = _compare_served(served, both, rules, share)
    by_group = [] if of_groups is None else of_groups.endpoints.rename(columns={"endpoint": "group"}).to_dict("records")
    return Part(
        cells=frame(by_cell, ("level", "group", *_COLUMNS)),
        by_group=frame([{**row, **_inverted(row, rules.margin)} for row in by_group], ("group", *FOUND)),
        by_level=frame(by_level, ("level", *_COLUMNS)),
        deciding=in_all,
        regressed=regressed(in_all) or regressed(of_groups),
        open=[
            f"{group} at {level}: {idle} of {len(runs)} runs of the {side.name} have no successful request"
            for level, group in cells
            for side, of_side in zip(both, served, strict=True)
            if (idle := int(((runs := of_side[level, group]).ok == 0).sum()))
        ],
    )


@dataclass(frozen=True, slots=True)
class _Served:
    """Successful requests and observed seconds of one side's runs that count, in one cell; ordered by repeat.

    `place` is each run's place among those of its side.
    """

    place: Ints
    repeat: Ints
    ok: Ints
    seconds: Floats

    @classmethod
    def of(cls, counts: pd.DataFrame) -> _Served:
        return cls(*(counts[name].to_numpy() for name in cls.__slots__))

    def __getitem__(self, chosen: Bools) -> _Served:
        return _Served(self.place[chosen], self.repeat[chosen], self.ok[chosen], self.seconds[chosen])

    def __len__(self) -> int:
        return len(self.repeat)

    @property
    def rates(self) -> Floats:
        """Successful requests per second of each run."""
        rates: Floats = self.ok / self.seconds
        return rates


def _total(served: Mapping[Cell, _Served]) -> dict[Cell, _Served]:
    """Return the same of all groups together; each has all runs of its level."""
    totals: dict[Cell, _Served] = {}
    for (level, _), runs in served.items():
        so_far = totals.get((level, _ALL))
        totals[level, _ALL] = runs if so_far is None else replace(so_far, ok=so_far.ok + runs.ok)
    return totals


def _compare_served(
    served: Sequence[Mapping[Cell, _Served]], sides: Sequence[Side], rules: Rules, share: float
) -> tuple[Comparison | None, list[Row]]:
    """Return the comparison of the cells that have runs enough, and a row for each of all cells."""
    runs = {cell: [of_side[cell][of_side[cell].ok > 0] for of_side in served] for cell in served[0]}
    if rules.paired:
        for cell, (before, after) in runs.items():
            runs[cell] = [before[np.isin(before.repeat, after.repeat)], after[np.isin(after.repeat, before.repeat)]]
    tested = [cell for cell, both in runs.items() if min(map(len, both)) >= 2]
    values = [[Values(runs[cell][at].repeat, 1 / runs[cell][at].rates) for cell in tested] for at in (0, 1)]
    comparison = compare_cells([group for _, group in tested], values, rules, share)
    known: dict[Cell, Row] = {}
    if comparison is not None:
        for cell, row in zip(tested, comparison.cells.to_dict("records"), strict=True):
            known[cell] = {**{side: 1 / row[side] for side in SIDES}, **_inverted(row, rules.margin)}
    rows = []
    for (level, group), both in runs.items():
        found = known.get((level, group)) or _unserved(group, both, sides)
        rows.append({"level": level, "group": group, **found})
    return comparison, rows


def _inverted(row: Mapping[Any, Any], margin: float) -> Row:
    """Return what was found of seconds per request as found of requests per second."""
    finding = Finding(row["verdict"])
    finding = _FINDINGS.get(finding, finding)
    ratio = Ratio(row["ratio"], row["low"], row["high"]).inverse
    p_values = {name: row[name] for name in ("p_regression", "p_adjusted")}
    words = _WORDS.get(finding, finding.value).format(percent(margin))
    return {**ratio._asdict(), **p_values, "verdict": finding, "words": words, "evidence": ratio.text}


def _unserved(group: str, both: Sequence[_Served], sides: Sequence[Side]) -> Row:
    """Return what can be said of a cell with fewer than two runs on a side."""
    means = {
        name: float(np.exp(np.log(runs.rates).mean())) if len(runs) else 0.0
        for name, runs in zip(SIDES, both, strict=True)
    }
    if not all(map(len, both)):
        return {**means, **not_assessable("a side has no successful request")}
    scatters = [
        [_rate_scatter(side, place, group) for place in runs.place.tolist()]
        for side, runs in zip(sides, both, strict=True)
    ]
    return {**means, **single_run(scatter_ratio(*scatters))}


def _rate_scatter(side: Side, place: int, group: str) -> Scatter:
    ok = side.observations.of_group(place, None if group == _ALL else group).ok
    return Scatter.of(throughput_of(ok, [len(ok)]))
