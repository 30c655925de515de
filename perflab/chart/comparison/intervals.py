"""The change of every latency that is compared, with its interval, beside the margin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.axes import (
    change,
    change_band,
    change_limits,
    change_tick,
    percent,
)
from perflab.chart.comparison.panels import (
    caption,
    compared_colours,
    compared_groups,
    nothing,
    row_text,
)
from perflab.chart.style import EDGE, INK, MUTED, Chart, canvas, number, short, size_inches, styled
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Finding, Verdict

_TITLE = "Change of latency"
_ROW, _GAP = 0.2, 0.45
_LEFT, _RIGHT = 3.05, 2.6
# Where the labels of a row stand, in points left of the panel.
_GROUP_X, _USERS_X, _METRIC_X = -214, -46, -6
_RULE: Any = {"color": EDGE, "linewidth": 0.5, "clip_on": False}
_SETTLED = {Finding.SLOWER, Finding.SLOWER_WITHIN_MARGIN, Finding.FASTER}


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the chart: a cell, or a group as a whole (`users` is None). Changes in per cent."""

    at: float
    group: str
    users: int | None
    metric: str
    change: float
    low: float
    high: float
    verdict: Finding
    evidence: str
    names_group: bool
    names_users: bool
    """Whether it is the first of its group and of its user count, and so named."""


@styled
def comparison_intervals(comparison: SweepComparison) -> Chart:
    """Change in % with its interval: a row a group as a whole, then a row a group, user count and percentile."""
    rows = list(_rows(comparison))
    if not rows:
        return nothing(_TITLE, "There is no latency that both have.")
    margin = 100 * comparison.margin
    invalid = comparison.verdict == Verdict.INVALID
    height = rows[-1].at + 0.5
    told, lines = caption(
        comparison,
        "candidate against baseline; lines: one-sided 95 % bounds of each row by itself; "
        f"grey: the margin, up to +{margin:g} %",
        "a side has one run: there, bounds of the scatter of requests alone, not of runs"
        if _single(comparison)
        else "",
    )
    chart, [[axes]] = canvas(_TITLE, told, panel_height=_ROW * (height + 0.5), left=_LEFT, right=_RIGHT, head=lines)
    known = [row for row in rows if np.isfinite(row.change)]
    bounds = [bound for row in known for bound in (row.low, row.high)]
    limits = change_limits([row.change for row in known], bounds, margin)
    axes.set_xlim(*limits)
    axes.set_ylim(height, -0.5)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(change_tick))
    axes.set_xlabel("change of latency, % (right: slower)")
    change_band(axes, margin, upright=True)
    palette = compared_colours(comparison)
    for row in rows:
        _labels(axes, row, palette[row.group])
        if np.isfinite(row.change):
            _interval(axes, row, palette[row.group], limits, hollow=invalid)
        else:
            row_text(axes, 1, row.at, 8, short(row.evidence, 50), size=7.5, color=MUTED)
    panel, _ = size_inches(axes)
    for above, below in pairwise(rows):
        if below.users is not None and (above.users is None or above.group != below.group):
            axes.axhline((above.at + below.at) / 2, -_LEFT / panel, 1 + _RIGHT / panel, **_RULE)
    whole = [f"{row.group} {percent(row.change)} ({row.verdict})" for row in rows if row.users is None]
    chart.alt = f"Interval chart of the change of latency. Groups as a whole: {', '.join(whole) or 'none'}."
    return chart


def _single(comparison: SweepComparison) -> bool:
    cells = comparison.latency
    return bool(((cells["verdict"] == Finding.OPEN) & cells["p_regression"].isna()).any())


def _rows(comparison: SweepComparison) -> Iterator[_Row]:
    at = 0.0
    groups = compared_groups(comparison)
    order = {group: place for place, group in enumerate(groups)}
    whole = sorted(comparison.latency_by_group.to_dict("records"), key=lambda row: order[row["group"]])
    for row in whole:
        yield _row(row, at, users=None, metric="", names_group=True, names_users=True)
        at += 1
    cells = sorted(comparison.latency.to_dict("records"), key=lambda row: (order[row["group"]], row["users"]))
    for _, of_group in groupby(cells, key=lambda row: row["group"]):
        at += _GAP if at else 0.0
        names = True
        for users, of_level in groupby(of_group, key=lambda row: row["users"]):
            for place, row in enumerate(of_level):
                metric = metric_of(row["metric"]).words
                yield _row(row, at, users=users, metric=metric, names_group=names, names_users=place == 0)
                names = False
                at += 1
            at += _GAP / 2


def _row(
    row: dict[Any, Any], at: float, *, users: int | None, metric: str, names_group: bool, names_users: bool
) -> _Row:
    low, high = row["low"], row["high"]
    return _Row(
        at=at,
        group=str(row["group"]),
        users=users,
        metric=metric,
        change=change(row["ratio"]),
        low=-np.inf if np.isnan(low) or low <= 0 else change(low),
        high=np.inf if np.isnan(high) else change(high),
        verdict=Finding(row["verdict"]),
        evidence=str(row["evidence"]),
        names_group=names_group,
        names_users=names_users,
    )


def _labels(axes: Axes, row: _Row, colour: str) -> None:
    whole = row.users is None
    weight = "bold" if whole else "normal"
    if row.names_group:
        row_text(axes, 0, row.at, _GROUP_X, short(row.group, 16), color=colour, weight="bold")
    if row.names_users:
        users = "as a whole" if row.users is None else f"{number(row.users)} users"
        row_text(axes, 0, row.at, _USERS_X, users, color=MUTED, weight=weight, ha="right")
    row_text(axes, 0, row.at, _METRIC_X, row.metric, color=MUTED, ha="right")
    if np.isfinite(row.change):
        row_text(axes, 1, row.at, 50, percent(row.change), color=INK, weight=weight, ha="right")
        marked = "bold" if row.verdict is Finding.SLOWER else "normal"
        row_text(axes, 1, row.at, 60, row.verdict, color=INK if row.verdict in _SETTLED else MUTED, weight=marked)


def _interval(axes: Axes, row: _Row, colour: str, limits: tuple[float, float], *, hollow: bool) -> None:
    width = 3.2 if row.users is None else 1.6
    low, high = max(row.low, limits[0]), min(row.high, limits[1])
    axes.hlines(row.at, low, high, color=colour, linewidth=width)
    for end, beyond, arrow in ((low, row.low < limits[0], "<"), (high, row.high > limits[1], ">")):
        if beyond:
            axes.plot([end], [row.at], arrow, color=colour, markersize=5, clip_on=False)
    face = "white" if hollow else colour
    axes.plot([row.change], [row.at], "o", color=colour, mfc=face, mew=1.3, markersize=7 if row.users is None else 5)
