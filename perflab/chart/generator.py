"""Was the load generator the bottleneck? What it offered of the intended load, and how far it lagged behind."""

from __future__ import annotations

import numpy as np

from perflab.analyse.health import offered_by_second
from perflab.analyse.sweep import Sweep
from perflab.analyse.validity import MOST_SHORTFALL
from perflab.chart.over_time import SHADED
from perflab.chart.strip import lay_out
from perflab.chart.style import INK, LIMIT, LIMIT_DASHES, Chart, canvas, end_labels, plain_number_axis, styled


@styled
def generator(sweep: Sweep) -> Chart:
    """By second: the offered share of the intended load, client minus wire in ms, and the event loop's lag in ms."""
    frame, offered = sweep.generator, offered_by_second(sweep.generator)
    strip = lay_out(sweep.runs, frame)
    chart, panels = canvas(
        "Was the generator the bottleneck?",
        "load offered: of what its users intended; client less wire: how long answers lay unread; "
        f"loop lag: how late its event loop ran\n{SHADED}; the highest values there are cut off",
        panel_height=1.25,
        rows=3,
        right=1.75,
        gap_y=0.3,
        head=0.45,
    )
    top, behind, loop = (row[0] for row in panels)

    x, y = strip.line(offered.assign(offered=100 * offered.offered), "offered")
    top.plot(x, y, color=INK, linewidth=1.2)
    least = 100 * (1 - MOST_SHORTFALL)
    top.axhline(least, color=LIMIT, linewidth=1.0, linestyle=LIMIT_DASHES)
    plain_number_axis(top, unit="load offered, %", ticks=4)
    lowest = float(np.nanmin(y, initial=least))
    top.set_ylim(min(90.0, lowest - 3), 101)
    end_labels(top, [(least, f"{least:g} %: INVALID below", LIMIT)])

    # The sources of a second side by side would be a thicket: the worst of them is what spoils a figure.
    worst = frame.groupby(["run", "second"], observed=True).max(numeric_only=True).reset_index()
    for axes, middle, upper, unit, names in (
        (behind, "behind_p50_ms", "behind_p99_ms", "client less wire, ms", ("median", "p99")),
        (loop, "lag_p50_ms", "lag_ms", "loop lag, ms", ("median", "worst")),
    ):
        for column, strength in ((upper, 0.35), (middle, 1.0)):
            x, y = strip.line(worst, column)
            axes.plot(x, y, color=INK, alpha=strength, linewidth=1.0)
        plain_number_axis(axes, unit=unit, ticks=4)
        axes.set_ylim(top=1.15 * max([2.0, *worst.loc[worst.steady, upper], *worst[middle]], default=2.0))
        labels = [(float(worst[c].tail(60).median()), n, INK) for c, n in zip((middle, upper), names, strict=True)]
        end_labels(axes, labels if len(worst) else [], gap=0.2)
    for place, axes in enumerate((top, behind, loop)):
        strip.draw(axes, titles=place == 0, ticks=place == 2)
    steady = offered[offered.steady]
    told = f"{100 * float(steady.offered.mean()):.1f} %" if len(steady) else "not recorded"
    chart.alt = f"Line charts of the load generator by second. Offered of the intended load, on average: {told}."
    return chart
