"""Each run's own figure: how far runs of the same version lie apart, and how far the two versions do."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from pandas import DataFrame

from perflab.analyse.comparison.side import NOT_COMPARED
from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.panels import (
    BASELINE_COLOUR,
    Panel,
    compared_colours,
    nothing,
    of_panel,
    small_multiples,
    telling,
)
from perflab.chart.comparison.rounds import round_by_round
from perflab.chart.style import MUTED, SHADE, Chart, number, styled
from perflab.store.layout import SIDES
from perflab.vocabulary.metric import metric_of


@styled
def comparison_runs(comparison: SweepComparison) -> Chart:
    """Each run's p95 latency in ms, or each round's change of it in %, a panel a group and user count.

    It is p50 where that alone is assessable.
    """
    # Rounds that this look is not at are none of its business.
    runs = comparison.latency_by_run[comparison.latency_by_run["why"] != NOT_COMPARED].dropna(subset=["value"])
    if comparison.latency.empty or runs.empty:
        return nothing("Runs", "There is no latency that both have.")
    return _apart(comparison, runs) if comparison.design == "separate" else round_by_round(comparison, runs)


def _apart(comparison: SweepComparison, runs: DataFrame) -> Chart:
    cells = comparison.latency
    chart, panels = small_multiples(
        comparison,
        cells,
        "Each run's latency",
        "a dot is a run, from left to right in order of repeats, a cross one that is not used; bars: geometric means",
        "grey: the margin above the baseline's mean; all panels span the same ratio",
        unit="ms (log)",
    )
    chosen = [telling(cells, panel) for panel in panels]
    values = [_values(runs, panel, cell["metric"]) for panel, cell in zip(panels, chosen, strict=True)]
    reach = 1.04 * max([1.02, *(float(np.sqrt(of["value"].max() / of["value"].min())) for of in values if len(of))])
    palette = compared_colours(comparison)
    for panel, cell, of in zip(panels, chosen, values, strict=True):
        panel.axes.set_xlim(-0.5, 1.5)
        panel.axes.set_xticks([0, 1], list(SIDES) if panel.last else ["", ""])
        if of.empty:
            panel.axes.set_yticks([])
            continue
        _scale(panel, of, reach)
        _draw(panel, cell, of, palette[panel.group], margin=comparison.margin)
    told = [
        f"{panel.group} {metric_of(cell['metric']).words} at {panel.users} users "
        f"{number(cell['baseline'])} and {number(cell['candidate'])} ms"
        for panel, cell in zip(panels, chosen, strict=True)
    ]
    chart.alt = f"Dot charts of each run's latency, baseline beside candidate. Means: {'; '.join(told)}."
    return chart


def _values(runs: DataFrame, panel: Panel, metric: str) -> DataFrame:
    of = of_panel(runs, panel)
    return of[of["metric"] == metric].sort_values(["side", "repeat"])


def _scale(panel: Panel, values: DataFrame, reach: float) -> None:
    axes = panel.axes
    middle = float(np.sqrt(values["value"].max() * values["value"].min()))
    axes.set_yscale("log")
    axes.set_ylim(middle / reach, middle * reach)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw(panel: Panel, cell: dict[Any, Any], values: DataFrame, colour: str, *, margin: float) -> None:
    axes = panel.axes
    if np.isfinite(cell["baseline"]):
        axes.axhspan(cell["baseline"], cell["baseline"] * (1 + margin), color=SHADE, linewidth=0, zorder=0)
    for place, (side, shade) in enumerate(zip(SIDES, (BASELINE_COLOUR, colour), strict=True)):
        of = values[values["side"] == side]
        apart = place + (np.linspace(-0.28, 0.28, len(of)) if len(of) > 1 else np.zeros(len(of)))
        for kind, shown, ink in (("o", of["used"], shade), ("x", ~of["used"], MUTED)):
            axes.plot(apart[shown], of["value"][shown], kind, color=ink, markersize=3.6, mew=0.8)
        if np.isfinite(cell[side]):
            axes.hlines(cell[side], place - 0.38, place + 0.38, color=shade, linewidth=2.2, zorder=3)
