"""Charts with one row per figure: every change of latency with its interval, and which endpoints it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from pandas import DataFrame

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.panels import (
    MINUS,
    caption,
    change,
    change_band,
    change_limits,
    change_tick,
    percent,
)
from perflab.chart.style import EDGE, INK, MUTED, Chart, canvas, colours, nothing, number, short, size_inches, styled
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.number import signed
from perflab.vocabulary.verdict import Finding, Verdict

_ROW, _GAP = 0.2, 0.45
_LEFT, _RIGHT = 3.05, 2.6
# Where the labels of a row are, in points left of the panel.
_GROUP_X, _LEVEL_X, _METRIC_X = -214, -46, -6
_RULE: Any = {"color": EDGE, "linewidth": 0.5, "clip_on": False}
_SETTLED = {Finding.SLOWER, Finding.SLOWER_WITHIN_MARGIN, Finding.FASTER}
_MAX_BARS = 14


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the chart: a cell, or a group as a whole (`level` is None). Changes in per cent."""

    at: float
    group: str
    level: Level | None
    metric: str
    change: float
    low: float
    high: float
    finding: Finding
    evidence: str
    first: bool
    """Whether it is the first of its group, and so names it."""
    first_of_level: bool

    @classmethod
    def of(cls, row: dict[Any, Any], at: float, *, first: bool, first_of_level: bool) -> _Row:
        """Return a row of the frames, drawn at a place."""
        low, high = row["low"], row["high"]
        return cls(
            at=at,
            group=str(row["group"]),
            level=row.get("level"),
            metric=metric_of(row["metric"]).words if "metric" in row else "",
            change=change(row["ratio"]),
            low=change(low) if low > 0 else -np.inf,
            high=np.inf if np.isnan(high) else change(high),
            finding=Finding(row["verdict"]),
            evidence=str(row["evidence"]),
            first=first,
            first_of_level=first_of_level,
        )


@styled
def comparison_intervals(comparison: SweepComparison) -> Chart:
    """Change in % with its interval: one row per group as a whole, then one per group, level and percentile."""
    rows = list(_rows(comparison))
    if not rows:
        return nothing("Change of latency", "There is no latency that both have.")
    margin = 100 * comparison.margin
    cells = comparison.latency
    single = ((cells["verdict"] == Finding.OPEN) & cells["p_regression"].isna()).any()
    height = rows[-1].at + 0.5
    text, inches = caption(
        comparison,
        "candidate against baseline; lines: one-sided 95 % bounds of each row by itself; "
        f"grey: the margin, up to +{margin:g} %",
        "a side has one run: there, bounds of the scatter of requests alone, not of runs" if single else "",
    )
    chart, [[axes]] = canvas(
        "Change of latency", text, panel_height=_ROW * (height + 0.5), left=_LEFT, right=_RIGHT, head=inches
    )
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
    palette = colours(comparison.groups)
    for row in rows:
        _labels(axes, row, palette[row.group])
        if np.isfinite(row.change):
            _interval(axes, row, palette[row.group], limits, hollow=comparison.verdict == Verdict.INVALID)
        else:
            _text(axes, 1, row.at, 8, short(row.evidence, 50), size=7.5, color=MUTED)
    panel, _ = size_inches(axes)
    for above, below in pairwise(rows):
        if below.level is not None and (above.level is None or above.group != below.group):
            axes.axhline((above.at + below.at) / 2, -_LEFT / panel, 1 + _RIGHT / panel, **_RULE)
    whole = [f"{row.group} {percent(row.change)} ({row.finding})" for row in rows if row.level is None]
    chart.alt = f"Interval chart of the change of latency. Groups as a whole: {', '.join(whole) or 'none'}."
    return chart


def _rows(comparison: SweepComparison) -> Iterator[_Row]:
    at = 0.0
    order = {group: place for place, group in enumerate(comparison.groups)}
    for row in sorted(comparison.latency_by_group.to_dict("records"), key=lambda row: order[row["group"]]):
        yield _Row.of(row, at, first=True, first_of_level=True)
        at += 1
    cells = sorted(comparison.latency.to_dict("records"), key=lambda row: (order[row["group"]], row["level"]))
    for _, of_group in groupby(cells, key=lambda row: row["group"]):
        at += _GAP if at else 0.0
        first = True
        for _, of_level in groupby(of_group, key=lambda row: row["level"]):
            for place, row in enumerate(of_level):
                yield _Row.of(row, at, first=first, first_of_level=place == 0)
                first = False
                at += 1
            at += _GAP / 2


def _labels(axes: Axes, row: _Row, colour: str) -> None:
    weight = "bold" if row.level is None else "normal"
    if row.first:
        _text(axes, 0, row.at, _GROUP_X, short(row.group, 16), color=colour, weight="bold")
    if row.first_of_level:
        level = "as a whole" if row.level is None else f"{row.level}"
        _text(axes, 0, row.at, _LEVEL_X, level, color=MUTED, weight=weight, ha="right")
    _text(axes, 0, row.at, _METRIC_X, row.metric, color=MUTED, ha="right")
    if np.isfinite(row.change):
        _text(axes, 1, row.at, 50, percent(row.change), color=INK, weight=weight, ha="right")
        marked = "bold" if row.finding is Finding.SLOWER else "normal"
        _text(axes, 1, row.at, 60, row.finding, color=INK if row.finding in _SETTLED else MUTED, weight=marked)


def _interval(axes: Axes, row: _Row, colour: str, limits: tuple[float, float], *, hollow: bool) -> None:
    width = 3.2 if row.level is None else 1.6
    low, high = max(row.low, limits[0]), min(row.high, limits[1])
    axes.hlines(row.at, low, high, color=colour, linewidth=width)
    for end, beyond, arrow in ((low, row.low < limits[0], "<"), (high, row.high > limits[1], ">")):
        if beyond:
            axes.plot([end], [row.at], arrow, color=colour, markersize=5, clip_on=False)
    face = "white" if hollow else colour
    axes.plot([row.change], [row.at], "o", color=colour, mfc=face, mew=1.3, markersize=7 if row.level is None else 5)


@styled
def comparison_contributions(comparison: SweepComparison) -> Chart:
    """What each endpoint adds to the change of its group's mean latency in ms; of the slower groups, or of all."""
    title = "What each endpoint adds"
    frame = comparison.contributions.dropna(subset=["contribution_ms"])
    groups = [group for group in comparison.slower if group in set(frame["group"])]
    of_groups = frame[frame["group"].isin(groups)] if groups else frame
    if of_groups.empty:
        return nothing(title, "There is no endpoint that both have.")
    level = _level(comparison, of_groups)
    of_level = of_groups[of_groups["level"] == level]
    largest = of_level["contribution_ms"].abs().nlargest(_MAX_BARS).index
    shown = of_level.loc[largest].sort_values("contribution_ms", ascending=False)
    hidden = len(of_level) - len(shown)
    whose = "of the slower groups" if len(groups) > 1 else f"of {short(groups[0])}, which is slower" if groups else ""
    more = f"{hidden} smaller ones are not shown" if hidden else ""
    text, inches = caption(
        comparison,
        f"to the change of its group's mean latency at {level}; "
        "at the right its own mean latency and its share of the group's requests",
        "; ".join(part for part in (f"endpoints {whose}" if whose else "", more) if part),
    )
    chart, [[axes]] = canvas(title, text, panel_height=0.27 * len(shown) + 0.1, left=3.3, right=3.1, head=inches)
    palette = colours(comparison.groups)
    places = range(len(shown))
    axes.barh(places, shown["contribution_ms"], color=[palette[group] for group in shown["group"]], height=0.62)
    names = zip(shown["method"], shown["name"], strict=True)
    axes.set_yticks(places, [f"{method} {short(name, 34)}" for method, name in names])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("adds to the mean of its group, ms")
    rows = shown.to_dict("records")
    for place, row in enumerate(rows):
        means = f"{number(row['baseline_ms'])} \N{RIGHTWARDS ARROW} {number(row['candidate_ms'])} ms"
        _text(axes, 1, place, 60, f"{_signed(row['contribution_ms'])} ms", color=INK, ha="right")
        _text(axes, 1, place, 72, f"{means}, {100 * row['share']:.0f} %", color=MUTED)
    first = ", ".join(f"{row['name']} {_signed(row['contribution_ms'])} ms" for row in rows[:5])
    chart.alt = f"Bar chart of what endpoints add to the change of mean latency: {first}."
    return chart


def _level(comparison: SweepComparison, contributions: DataFrame) -> Level:
    """Return the highest level at which something is slower; if nothing is, the highest."""
    cells, levels = comparison.latency, contributions["level"]
    slower = levels[levels.isin(cells.loc[cells["verdict"] == Finding.SLOWER, "level"])]
    highest: Level = max(slower if len(slower) else levels)
    return highest


def _signed(value: float) -> str:
    return signed(value, 0 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3).replace("-", MINUS)


def _text(axes: Axes, edge: float, at: float, points: float, text: str, **style: Any) -> None:
    """Write beside row `at`: `points` from the left (0) or right (1) `edge` of the panel."""
    place: Any = {"xycoords": ("axes fraction", "data"), "xytext": (points, 0), "textcoords": "offset points"}
    axes.annotate(text, (edge, at), va="center", **place, **({"size": 8.5} | style))
