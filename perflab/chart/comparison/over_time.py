"""Where in time a change began: the ratio of both sides' latencies through the steady window."""

from __future__ import annotations

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.axes import (
    change_limits,
    change_y_axis,
    changes,
)
from perflab.chart.comparison.panels import (
    compared_colours,
    nothing,
    shown_rows,
    small_multiples,
)
from perflab.chart.style import Chart, styled


@styled
def comparison_over_time(comparison: SweepComparison) -> Chart:
    """Change of the median latency in % by second of the steady window, a panel a group and user count."""
    frame, margin = comparison.latency_over_time, 100 * comparison.margin
    if frame.empty:
        return nothing("Change over time", "There is no latency that both have.")
    chart, panels = small_multiples(
        comparison,
        frame,
        "Change over time",
        f"median latency of the requests begun in each block of seconds, all runs used; "
        f"grey: the margin, up to +{margin:g} %",
        unit="change, %",
    )
    change_y_axis(panels, change_limits(changes(frame["ratio"]), [], margin), margin)
    palette = compared_colours(comparison)
    end = float(frame["second"].max())
    for panel, rows in shown_rows(frame, panels):
        of = rows.sort_values("second")
        panel.axes.plot(
            of["second"], changes(of["ratio"]), "o-", color=palette[panel.group], linewidth=1.2, markersize=3
        )
        panel.axes.set_xlim(0, end * 1.04)
        if panel.last:
            panel.axes.set_xlabel("seconds of steady state")
    chart.alt = "Line charts of the change of median latency in per cent by second of the steady window."
    return chart
