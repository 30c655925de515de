"""Each run's own figure: how far runs of the same version lie apart, and how far the two versions do."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from pandas import DataFrame

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.panels import (
    BASELINE_COLOUR,
    Panel,
    compared_colours,
    name_panel,
    nothing,
    of_panel,
    small_multiples,
)
from perflab.chart.style import MUTED, SHADE, Chart, number, styled, tint

_TITLE = "Runs"
_SIDES = ("baseline", "candidate")
# Of these the first one that is assessable is shown.
_TELLING = ("p95_ms", "p50_ms")


@styled
def comparison_runs(comparison: SweepComparison) -> Chart:
    """Each run's p95 latency in ms (p50, where that alone is assessable), a panel a group and user count."""
    cells, runs = comparison.cells, comparison.runs.dropna(subset=["value"])
    if cells.empty or runs.empty:
        return nothing(_TITLE, "There is no latency that both have.")
    paired = comparison.design != "separate"
    order = "lines join the two of a round" if paired else "from left to right in order of repeats"
    chart, panels = small_multiples(
        comparison,
        cells,
        f"{_TITLE}: each run's latency",
        f"a dot is a run ({order}); a cross is one that is not used; bars: geometric means",
        "grey: the margin above the baseline's mean; all panels span the same ratio",
        unit="ms (log)",
    )
    chosen = [_telling(of_panel(cells, panel)) for panel in panels]
    values = [_values(runs, panel, cell["metric"]) for panel, cell in zip(panels, chosen, strict=True)]
    reach = 1.04 * max([1.02, *(float(np.sqrt(of["value"].max() / of["value"].min())) for of in values if len(of))])
    palette = compared_colours(comparison)
    for panel, cell, of in zip(panels, chosen, values, strict=True):
        panel.axes.set_xlim(-0.5, 1.5)
        panel.axes.set_xticks([0, 1], list(_SIDES) if panel.last else ["", ""])
        name_panel(panel.axes, f"{number(panel.users)} users, {cell['metric'].removesuffix('_ms')}")
        if of.empty:
            panel.axes.set_yticks([])
            continue
        _scale(panel, of, reach)
        _draw(panel, cell, of, palette[panel.group], margin=comparison.margin, paired=paired)
    told = [
        f"{panel.group} {cell['metric'].removesuffix('_ms')} at {panel.users} users "
        f"{number(cell['baseline'])} and {number(cell['candidate'])} ms"
        for panel, cell in zip(panels, chosen, strict=True)
    ]
    chart.alt = f"Dot charts of each run's latency, baseline beside candidate. Means: {'; '.join(told)}."
    return chart


def _telling(cells: DataFrame) -> dict[Any, Any]:
    by_metric = {row["metric"]: row for row in cells.to_dict("records")}
    assessable = (metric for metric in _TELLING if by_metric[metric]["verdict"] != "not assessable")
    return dict(by_metric[next(assessable, _TELLING[-1])])


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


def _draw(panel: Panel, cell: dict[Any, Any], values: DataFrame, colour: str, *, margin: float, paired: bool) -> None:
    axes = panel.axes
    used = values[values["used"]]
    shades = dict(zip(_SIDES, (BASELINE_COLOUR, colour), strict=True))
    if np.isfinite(cell["baseline"]):
        axes.axhspan(cell["baseline"], cell["baseline"] * (1 + margin), color=SHADE, linewidth=0, zorder=0)
    if paired:
        rounds = used.pivot(index="repeat", columns="side", values="value").dropna()
        for before, after in zip(*(rounds.get(side, []) for side in _SIDES), strict=True):
            axes.plot([0, 1], [before, after], color=tint(colour, 0.4), linewidth=0.8, zorder=1)
    for place, side in enumerate(_SIDES):
        for kind, of in (("o", used[used["side"] == side]), ("x", values[(values["side"] == side) & ~values["used"]])):
            count = len(of)
            apart = [0.0] * count if paired or count < 2 else np.linspace(-0.28, 0.28, count).tolist()
            axes.plot(
                [place + x for x in apart],
                of["value"],
                kind,
                color=shades[side] if kind == "o" else MUTED,
                markersize=3.6,
                mew=0.8,
                zorder=2,
            )
        if np.isfinite(cell[side]):
            axes.hlines(cell[side], place - 0.38, place + 0.38, color=shades[side], linewidth=2.2, zorder=3)
