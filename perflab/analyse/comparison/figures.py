"""One latency figure a run, group and percentile: what the comparison is made of.

The run is the replicate, so the requests of two runs are never pooled for a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from perflab.analyse.comparison.side import Cell, Side
from perflab.analyse.summary import SortedSamples, clocks, sort_judged
from perflab.vocabulary.metric import CHARTED, Percentile, percentile_of

# Samples beyond a percentile that make it worth judging.
LEAST_BEYOND = 50
# Whether a cell has so many is asked of its median run: to leave out the runs with fewer would leave out slow ones,
# since slow runs make fewer requests. Only a run with less than half of them has no figure of its own.
LEAST_BEYOND_RUN = LEAST_BEYOND / 2
FIGURE_COLUMNS = [
    *("side", "users", "repeat", "run", "group", "metric", "value", "samples", "beyond", "clock", "used", "why"),
    *("counts", "median_beyond"),
]
_CELL = ["users", "group", "metric"]


def cell_clocks(baseline: Side, candidate: Side) -> dict[Cell, bool]:
    """Return whether each cell of either side goes by the wire clock: one clock for both, else the client's."""
    cells = dict.fromkeys([*baseline.wire, *candidate.wire])
    return {cell: baseline.wire.get(cell, True) and candidate.wire.get(cell, True) for cell in cells}


def compared_figures(sides: Sequence[Side], wire: Mapping[Cell, bool], *, paired: bool) -> pd.DataFrame:
    """Return a row a side, run, group and percentile; `wire` says which cells go by the wire clock.

    Columns: side, users, repeat, run, group, metric, value (ms), samples, beyond, clock, used, why (it is not used),
    counts (whether the run as a whole does), median_beyond (of the cell, over the runs of both sides that count).
    An unanswered request takes for ever: a percentile that falls on one has no value.
    """
    figures = pd.concat([_figures(side, wire) for side in sides], ignore_index=True)
    counting = figures[figures["counts"]]
    by_cell = counting.groupby(_CELL, observed=True)
    figures["median_beyond"] = by_cell["beyond"].transform("median").reindex(figures.index)
    few = figures["counts"] & (figures["median_beyond"] < LEAST_BEYOND)
    # Said before what a single run lacks: it is the reason for all of them.
    figures.loc[few, "why"] = [
        f"{requests_needed(percentile_of(name))} requests a run are needed" for name in figures["metric"][few]
    ]
    if paired:
        valued = figures[figures["why"] == ""]
        alone = valued.groupby([*_CELL, "repeat"], observed=True)["side"].transform("size") < 2
        figures.loc[alone.index[alone], "why"] = "the other side has no value in this round"
    figures["used"] = figures["why"] == ""
    return figures[FIGURE_COLUMNS]


def _figures(side: Side, wire: Mapping[Cell, bool]) -> pd.DataFrame:
    counts = side.counts
    ordered, clock = sort_by_run(side, wire)
    at = counts["at"].to_numpy()
    samples = ordered.samples[at]
    front = counts[["users", "repeat", "run", "group"]].assign(counts=counts["used"])
    front.insert(0, "side", pd.Series([side.name] * len(front), dtype="str"))
    parts = []
    for metric in CHARTED:
        value = ordered.percentile(metric.q)[at]
        beyond = np.floor(np.round(samples * (1 - metric.q), 6)).astype("int64")
        lacks = [_no_value(metric, one, rest) for one, rest in zip(value.tolist(), beyond.tolist(), strict=True)]
        why = [left_out or lack for left_out, lack in zip(counts["why"], lacks, strict=True)]
        parts.append(
            front.assign(
                metric=pd.Series([metric.name] * len(front), dtype="str"),
                value=np.where(np.isfinite(value), value, np.nan),
                samples=samples,
                beyond=beyond,
                clock=pd.Series(clock.astype("object")[at], dtype="str"),
                why=pd.Series(why, dtype="str"),
            )
        )
    return pd.concat(parts, ignore_index=True)


def sort_by_run(side: Side, wire: Mapping[Cell, bool]) -> tuple[SortedSamples, pd.Categorical[str]]:
    """Return the judged samples of each run and group (in the places `at` of ``side.counts``), and whose time it is."""
    counts = side.counts
    by_wire = np.zeros(len(side.runs) * len(side.groups), "bool")
    by_wire[counts["at"]] = [wire.get(cell, False) for cell in zip(counts["users"], counts["group"], strict=True)]
    samples, cell = side.requests.samples, side.run_and_group
    return sort_judged(samples, cell, len(by_wire), by_wire), clocks(samples, cell, by_wire)


def requests_needed(percentile: Percentile) -> int:
    """Return how many requests a run takes to be worth judging by a percentile."""
    return int(np.ceil(round(LEAST_BEYOND / (1 - percentile.q), 6)))


def _no_value(percentile: Percentile, value: float, beyond: int) -> str:
    if np.isnan(value):
        return "no successful request"
    if np.isinf(value):
        return f"so many requests were never answered that its {percentile.words} is one of them"
    return f"only {beyond} requests lie beyond its {percentile.words}" if beyond < LEAST_BEYOND_RUN else ""
