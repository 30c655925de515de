"""Not only p50 and p95: latency, and its change, over the whole tail."""

from __future__ import annotations

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.axes import (
    change_limits,
    change_y_axis,
    changes,
    finite,
    share_axis,
    tail,
    tail_axis,
)
from perflab.chart.comparison.panels import (
    BASELINE_COLOUR,
    compared_colours,
    nothing,
    shown_rows,
    small_multiples,
)
from perflab.chart.style import Chart, latency_axis, styled

_MEDIAN = 0.5 - 1e-9


@styled
def comparison_percentiles(comparison: SweepComparison) -> Chart:
    """Latency in ms by percentile on a logarithmic tail axis, baseline and candidate, a panel a group and users."""
    curves = comparison.latency_curves[comparison.latency_curves["q"] >= _MEDIAN]
    if curves.empty:
        return nothing("Latency by percentile", "There is no latency that both have.")
    chart, panels = small_multiples(
        comparison,
        curves,
        "Latency by percentile",
        "all requests of the runs used; grey: baseline, coloured: candidate; each step to the right is ten times rarer",
        unit="ms",
    )
    tail_axis(panels, curves["q"])
    palette = compared_colours(comparison)
    for panel, rows in shown_rows(curves, panels):
        logarithmic = latency_axis([panel.axes], rows["latency_ms"])
        if panel.first or logarithmic:
            panel.axes.set_ylabel("ms (log)" if logarithmic else "ms")
        for side, colour, width in (("baseline", BASELINE_COLOUR, 2.4), ("candidate", palette[panel.group], 1.5)):
            of = rows[rows["side"] == side].sort_values("q")
            panel.axes.plot(tail(of["q"]), finite(of["latency_ms"]), color=colour, linewidth=width)
    chart.alt = "Line charts of latency by percentile up to the rarest requests, baseline and candidate overlaid."
    return chart


@styled
def comparison_quantiles(comparison: SweepComparison) -> Chart:
    """Change of latency in % by percentile with its interval, a panel a group and user count."""
    frame, margin = comparison.latency_by_quantile, 100 * comparison.margin
    if frame.empty:
        return nothing("Change by percentile", "There are too few requests.")
    known = frame["low"].notna().any()
    bounds_are = (
        "shaded: one-sided 95 % bounds at each percentile by itself" if known else "a side has one run: no bounds"
    )
    chart, panels = small_multiples(
        comparison,
        frame,
        "Change by percentile",
        f"{bounds_are}; grey: the margin, up to +{margin:g} %",
        unit="change, %",
    )
    share_axis(panels, frame["q"])
    bounds = changes([*frame["low"], *frame["high"]])
    change_y_axis(panels, change_limits(changes(frame["ratio"]), bounds, margin, room=1.5), margin)
    palette = compared_colours(comparison)
    for panel, rows in shown_rows(frame, panels):
        of, colour = rows.sort_values("q"), palette[panel.group]
        panel.axes.fill_between(of["q"], changes(of["low"]), changes(of["high"]), color=colour, alpha=0.25, linewidth=0)
        panel.axes.plot(of["q"], changes(of["ratio"]), color=colour)
    chart.alt = "Line charts of the change of latency in per cent by percentile, with bounds, beside the margin."
    return chart
