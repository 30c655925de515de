"""A small chart of a running sweep, cheap enough to be drawn anew every second."""

from __future__ import annotations

import math
from collections.abc import Sequence

from perflab.chart.style import INK, MUTED, OKABE_ITO, Chart, canvas, number, plain_number_axis, styled
from perflab.drive.tail import LivePoint

_MAX_POINTS = 300


@styled
def live(points: Sequence[LivePoint], title: str = "Running") -> Chart:
    """Users, requests/s and p95 of the last 300 seconds, beside each other, with the latest values as text."""
    recent = points[-_MAX_POINTS:]
    failed = sum(point.failures for point in points)
    text = f"{number(failed)} failed so far" if failed else "no failed request so far"
    chart, [panels] = canvas(title, text, panel_height=0.95, columns=3, left=0.55, gap_x=0.55, head=0.25)
    seconds = [point.second for point in recent]
    series: tuple[tuple[str, Sequence[float], str, str], ...] = (
        ("users", [point.users for point in recent], MUTED, ""),
        ("requests/s", [float(point.requests) for point in recent], INK, "/s"),
        ("p95", [math.nan if point.p95_ms is None else point.p95_ms for point in recent], OKABE_ITO[0], " ms"),
    )
    for axes, (name, values, colour, unit) in zip(panels, series, strict=True):
        axes.plot(seconds, values, color=colour, linewidth=1.4)
        now = f"{number(values[-1])}{unit}" if values else ""
        axes.set_title(f"{name}  {now}", loc="left", size=9, color=colour, weight="bold", pad=4)
        plain_number_axis(axes, unit="", ticks=3)
        axes.set_ylim(0, 1.1 * max((value for value in values if value == value), default=1.0) or 1.0)
        axes.set_xlabel("seconds since the run's start")
    chart.alt = f"{title}: {text}"
    return chart
