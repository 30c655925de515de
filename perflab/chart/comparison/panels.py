"""What the charts of a comparison share: colours, a panel per group and level, and axes of change in per cent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from pandas import DataFrame

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.style import INK, MUTED, SHADE, Chart, canvas, colours, short
from perflab.vocabulary.level import Level
from perflab.vocabulary.number import signed
from perflab.vocabulary.verdict import Verdict

BASELINE_COLOUR = "#8a8a8a"
MINUS = "\N{MINUS SIGN}"
_INVALID = "the comparison is INVALID: these figures must not be used"
_LINE = 0.15
# More would be too small to read.
_MAX_LEVELS, _MAX_GROUPS, _MAX_COLUMNS = 4, 6, 3


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of one group at one level; `first` ones are at the left edge, `last` ones at the bottom."""

    axes: Axes
    group: str
    level: Level
    colour: str
    first: bool
    last: bool

    def rows(self, frame: DataFrame) -> DataFrame:
        """Return the rows of the panel's group and level."""
        return frame[(frame["group"] == self.group) & (frame["level"] == self.level)]

    def name(self, text: str) -> None:
        """Say above it what it shows of its group."""
        self.axes.set_title(text, loc="left", size=8.5, color=MUTED, pad=6)


def caption(comparison: SweepComparison, *lines: str) -> tuple[str, float]:
    """Return a subtitle of these lines, and how many inches it takes below its first; an INVALID one says so."""
    shown = [line for line in (*lines, _INVALID if comparison.verdict == Verdict.INVALID else "") if line]
    return "\n".join(shown), _LINE * (len(shown) - 1)


def small_multiples(
    comparison: SweepComparison, frame: DataFrame, title: str, *subtitle: str, unit: str
) -> tuple[Chart, list[Panel]]:
    """Return a chart with a panel for each group and level that `frame` has, at most 6 by 4 of them.

    A row is a group and a column a level; with one level, groups are side by side. `subtitle` are lines.
    """
    groups = [group for group in comparison.groups if group in set(frame["group"])]
    foremost = sorted(groups, key=lambda group: group not in comparison.slower)[:_MAX_GROUPS]
    kept = [group for group in groups if group in foremost]
    all_levels = sorted(frame["level"].unique())
    levels = all_levels[-_MAX_LEVELS:]
    left_out = [f"the {len(levels)} highest of {len(all_levels)} levels"] if len(levels) < len(all_levels) else []
    left_out += [f"{len(kept)} of {len(groups)} groups"] if len(kept) < len(groups) else []
    side_by_side = len(levels) == 1
    columns = min(_MAX_COLUMNS, len(kept)) if side_by_side else len(levels)
    text, inches = caption(comparison, *subtitle, f"shown: {' and '.join(left_out)}" if left_out else "")
    chart, grid = canvas(
        title,
        text,
        panel_height=1.9 if side_by_side else 1.35,
        rows=-(-len(kept) // columns) if side_by_side else len(kept),
        columns=columns,
        left=0.8,
        right=0.3,
        gap_x=0.55,
        gap_y=0.7,
        head=0.5 + inches,
    )
    palette = colours(comparison.groups)
    cells = [(group, level) for group in kept for level in levels]
    measured = set(zip(frame["group"], frame["level"], strict=True))
    panels = []
    every = [axes for row in grid for axes in row]
    for at, ((group, level), axes) in enumerate(zip(cells, every, strict=False)):
        if (group, level) not in measured:
            # Not every group is asked at every level.
            axes.set_visible(False)
            continue
        panel = Panel(axes, group, level, palette[group], at % columns == 0, at + columns >= len(cells))
        panel.name(f"{level}")
        if side_by_side or panel.first:
            axes.annotate(
                short(group, 30),
                (0, 1),
                xycoords="axes fraction",
                xytext=(0, 19),
                textcoords="offset points",
                size=9.5,
                weight="bold",
                color=panel.colour,
            )
        if panel.first:
            axes.set_ylabel(unit)
        panels.append(panel)
    for axes in every[len(cells) :]:
        axes.set_visible(False)
    return chart, panels


def shown_rows(frame: DataFrame, panels: Sequence[Panel]) -> Iterator[tuple[Panel, DataFrame]]:
    """Yield each panel with its rows."""
    yield from ((panel, panel.rows(frame)) for panel in panels)


def change(ratio: float) -> float:
    """Return a ratio as a change in per cent."""
    return 100 * (ratio - 1)


def changes(ratios: Iterable[float]) -> list[float]:
    """Return ratios as changes in per cent, those that are not finite as gaps in a line."""
    return [change(ratio) if np.isfinite(ratio) else np.nan for ratio in ratios]


def percent(value: float) -> str:
    """Return a change in per cent as people read it, with its sign."""
    return f"{signed(value, 1)} %".replace("-", MINUS) if np.isfinite(value) else "\N{EN DASH}"


def change_limits(
    changes: Iterable[float], bounds: Iterable[float], margin_percent: float, *, room: float = 3.0
) -> tuple[float, float]:
    """Return the limits of an axis of change in per cent.

    All `changes` are within, and `bounds` up to `room` times as far out, so that they leave the changes readable.
    """
    points = [value for value in changes if np.isfinite(value)]
    reach = room * max([2 * margin_percent, 1.0, *map(abs, points)])
    ends = [float(np.clip(value, -reach, reach)) for value in bounds if not np.isnan(value)]
    low = min([-margin_percent, *points, *ends])
    high = max([2 * margin_percent, *points, *ends])
    edge = 0.05 * (high - low)
    return low - edge, high + edge


def change_band(axes: Axes, margin_percent: float, *, upright: bool) -> None:
    """Draw no change as a line and the margin as a band beside it; `upright` is for changes along the x axis."""
    span, line = (axes.axvspan, axes.axvline) if upright else (axes.axhspan, axes.axhline)
    span(0, margin_percent, color=SHADE, linewidth=0, zorder=0)
    line(0, color=INK, linewidth=0.8, zorder=2.5)


def change_y_axis(panels: Sequence[Panel], limits: tuple[float, float], margin_percent: float) -> None:
    """Give all panels the same y axis of change in per cent, with the margin."""
    for panel in panels:
        change_band(panel.axes, margin_percent, upright=False)
        panel.axes.set_ylim(*limits)
        panel.axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        panel.axes.yaxis.set_major_formatter(FuncFormatter(change_tick))


def change_tick(value: float, _: object = None) -> str:
    """Return the label of a tick of change."""
    return f"{value:+g}".replace("-", MINUS) if round(value, 9) else "0"
