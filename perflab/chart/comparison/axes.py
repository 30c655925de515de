"""Axes of the charts of a comparison: a change in per cent beside its margin, and percentiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from perflab.chart.comparison.panels import Panel
from perflab.chart.style import INK, SHADE
from perflab.vocabulary.number import signed

_QUANTILES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def change(ratio: float) -> float:
    """Return a ratio as a change in per cent."""
    return 100 * (ratio - 1)


def changes(ratios: Iterable[float]) -> list[float]:
    """Return ratios as changes in per cent, those that are not finite as gaps in a line."""
    return finite([change(ratio) for ratio in ratios])


def percent(value: float) -> str:
    """Return a change in per cent as people read it, with its sign."""
    if not np.isfinite(value):
        return "\N{EN DASH}"
    return f"{signed(value, 1)} %".replace("-", "\N{MINUS SIGN}")


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
    return f"{value:+g}".replace("-", "\N{MINUS SIGN}") if round(value, 9) else "0"


def tail(q: Iterable[float]) -> list[float]:
    """Return where shares of requests lie on the axis of the tail: one in how many requests is slower."""
    return [1 / (1 - one) for one in q]


def tail_axis(panels: Sequence[Panel], q: Iterable[float]) -> None:
    """Give all panels a logarithmic x axis of the tail: each step to the right is ten times rarer."""
    last = max(q)
    ticks = [one for one in _QUANTILES if one <= last + 1e-9]
    for panel in panels:
        panel.axes.set_xscale("log")
        panel.axes.set_xlim(*tail([_QUANTILES[0], last]))
        _share_ticks(panel, tail(ticks), ticks)


def share_axis(panels: Sequence[Panel], q: Iterable[float]) -> None:
    """Give all panels an x axis of shares of requests, stretched towards both of its ends."""
    shown = sorted(q)
    ticks = [one for one in (0.1, *_QUANTILES) if one <= shown[-1] + 1e-9]
    for panel in panels:
        panel.axes.set_xscale("logit")
        panel.axes.set_xlim(shown[0], shown[-1])
        _share_ticks(panel, ticks, ticks)


def _share_ticks(panel: Panel, places: Sequence[float], shares: Sequence[float]) -> None:
    panel.axes.xaxis.set_major_locator(FixedLocator(places))
    panel.axes.xaxis.set_major_formatter(FixedFormatter([f"p{100 * one:g}" for one in shares]))
    panel.axes.xaxis.set_minor_locator(NullLocator())
    if panel.last:
        panel.axes.set_xlabel("percentile")


def finite(values: Iterable[float]) -> list[float]:
    """Return the values, those that are not finite as gaps in a line."""
    return [value if np.isfinite(value) else np.nan for value in values]
