"""Each round's own change, where both sides were run in the same rounds."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.axes import change, change_limits, change_y_axis, changes, percent
from perflab.chart.comparison.panels import compared_colours, of_panel, small_multiples, telling
from perflab.chart.style import MUTED, Chart


def round_by_round(comparison: SweepComparison, runs: DataFrame) -> Chart:
    """Change of p95 (or p50) latency in % in each round, a panel a group and user count; `runs` are those to show."""
    cells, margin = comparison.latency, 100 * comparison.margin
    chart, panels = small_multiples(
        comparison,
        cells,
        "Each round's change",
        f"a dot is a round: its candidate's latency against its baseline's; line: the change found; "
        f"grey: the margin, up to +{margin:g} %",
        unit="change, %",
    )
    used = runs[runs["used"]]
    palette = compared_colours(comparison)
    found, told = [], []
    for panel in panels:
        cell = telling(cells, panel)
        of = of_panel(used, panel)
        sides = of[of["metric"] == cell["metric"]].pivot(index="repeat", columns="side", values="value")
        rounds = sides.reindex(columns=["baseline", "candidate"]).dropna()
        ratios = changes(rounds["candidate"] / rounds["baseline"])
        found += [*ratios, change(cell["ratio"])]
        axes, colour = panel.axes, palette[panel.group]
        if rounds.empty:
            why = str(cell["words"]).removeprefix("not assessable: ")
            axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", size=8, color=MUTED)
            axes.set_xticks([])
            continue
        axes.plot(rounds.index, ratios, "o", color=colour, markersize=4)
        if np.isfinite(cell["ratio"]):
            axes.axhline(change(cell["ratio"]), color=colour, linewidth=1.6)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if panel.last:
            axes.set_xlabel("round")
        told.append(f"{panel.group} at {panel.users} users {percent(change(cell['ratio']))}")
    change_y_axis(panels, change_limits(found, [], margin), margin)
    chart.alt = f"Dot charts of each round's change of latency. Found: {'; '.join(told)}."
    return chart
