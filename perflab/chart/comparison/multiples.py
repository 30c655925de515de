"""Small multiples, a panel per group and level: runs, and the change over the tail and over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator
from pandas import DataFrame

from perflab.analyse.comparison.side import NOT_COMPARED
from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.panels import (
    BASELINE_COLOUR,
    Panel,
    change,
    change_limits,
    change_y_axis,
    changes,
    percent,
    shown_rows,
    small_multiples,
)
from perflab.chart.style import MUTED, SHADE, Chart, latency_axis, nothing, number, styled
from perflab.store.layout import SIDES
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Finding

_TELLING = ("p95_ms", "p50_ms")
_SHARES = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
_MEDIAN = 0.5 - 1e-9


@styled
def comparison_runs(comparison: SweepComparison) -> Chart:
    """Each run's p95 latency in ms, or each round's change of it in %, one panel per group and level.

    It is p50 where that alone is assessable.
    """
    # Rounds that this look is not at are none of its business.
    runs = comparison.latency_by_run
    runs = runs[runs["why"] != NOT_COMPARED].dropna(subset=["value"])
    if comparison.latency.empty or runs.empty:
        return nothing("Runs", "There is no latency that both have.")
    return _apart(comparison, runs) if comparison.design == "separate" else _round_by_round(comparison)


@styled
def comparison_percentiles(comparison: SweepComparison) -> Chart:
    """Latency in ms by percentile on a logarithmic tail axis, baseline and candidate, a panel per group and level."""
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
    last = max(curves["q"])
    for panel, rows in shown_rows(curves, panels):
        logarithmic = latency_axis([panel.axes], rows["latency_ms"])
        if panel.first or logarithmic:
            panel.axes.set_ylabel("ms (log)" if logarithmic else "ms")
        panel.axes.set_xscale("log")
        panel.axes.set_xlim(*_tail([_SHARES[0], last]))
        _share_ticks(panel, [share for share in _SHARES if share <= last + 1e-9], tail=True)
        for side, colour, width in (("baseline", BASELINE_COLOUR, 2.4), ("candidate", panel.colour, 1.5)):
            curve = rows[rows["side"] == side].sort_values("q")
            panel.axes.plot(_tail(curve["q"]), curve["latency_ms"], color=colour, linewidth=width)
    chart.alt = "Line charts of latency by percentile up to the rarest requests, baseline and candidate overlaid."
    return chart


@styled
def comparison_quantiles(comparison: SweepComparison) -> Chart:
    """Change of latency in % by percentile with its interval, one panel per group and level."""
    frame, margin = comparison.latency_by_quantile, 100 * comparison.margin
    if frame.empty:
        return nothing("Change by percentile", "There are too few requests.")
    bounds = changes([*frame["low"], *frame["high"]])
    known = frame["low"].notna().any()
    shaded = "shaded: one-sided 95 % bounds at each percentile by itself" if known else "a side has one run: no bounds"
    chart, panels = small_multiples(
        comparison,
        frame,
        "Change by percentile",
        f"{shaded}; grey: the margin, up to +{margin:g} %",
        unit="change, %",
    )
    first, last = min(frame["q"]), max(frame["q"])
    change_y_axis(panels, change_limits(changes(frame["ratio"]), bounds, margin, room=1.5), margin)
    for panel, rows in shown_rows(frame, panels):
        panel.axes.set_xscale("logit")
        panel.axes.set_xlim(first, last)
        _share_ticks(panel, [share for share in (0.1, *_SHARES) if share <= last + 1e-9])
        row, colour = rows.sort_values("q"), panel.colour
        panel.axes.fill_between(
            row["q"], changes(row["low"]), changes(row["high"]), color=colour, alpha=0.25, linewidth=0
        )
        panel.axes.plot(row["q"], changes(row["ratio"]), color=colour)
    chart.alt = "Line charts of the change of latency in per cent by percentile, with bounds, beside the margin."
    return chart


@styled
def comparison_over_time(comparison: SweepComparison) -> Chart:
    """Change of the median latency in % by second of the steady window, one panel per group and level."""
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
    end = float(frame["second"].max())
    for panel, rows in shown_rows(frame, panels):
        blocks = rows.sort_values("second")
        y = changes(blocks["ratio"])
        panel.axes.plot(blocks["second"], y, "o-", color=panel.colour, linewidth=1.2, markersize=3)
        panel.axes.set_xlim(0, end * 1.04)
        if panel.last:
            panel.axes.set_xlabel("seconds of steady state")
    chart.alt = "Line charts of the change of median latency in per cent by second of the steady window."
    return chart


def _apart(comparison: SweepComparison, runs: DataFrame) -> Chart:
    """Draw each run's latency: how far runs of the same version lie apart, and how far the two versions do."""
    chart, panels = small_multiples(
        comparison,
        comparison.latency,
        "Each run's latency",
        "a dot is a run, from left to right in order of repeats, a cross one that is not used; bars: geometric means",
        "grey: the margin above the baseline's mean; all panels span the same ratio",
        unit="ms (log)",
    )
    cells = [_telling(comparison, panel) for panel in panels]
    values = [
        rows[rows["metric"] == cell["metric"]].sort_values(["side", "repeat"])
        for (_, rows), cell in zip(shown_rows(runs, panels), cells, strict=True)
    ]
    ends = [(rows["value"].min(), rows["value"].max()) for rows in values if len(rows)]
    reach = 1.04 * max([1.02, *(float(np.sqrt(high / low)) for low, high in ends)])
    for panel, cell, rows in zip(panels, cells, values, strict=True):
        panel.axes.set_xlim(-0.5, 1.5)
        panel.axes.set_xticks([0, 1], list(SIDES) if panel.last else ["", ""])
        if rows.empty:
            panel.axes.set_yticks([])
        else:
            _draw_runs(panel, cell, rows, reach=reach, margin=comparison.margin)
    means = [
        f"{panel.group} {metric_of(cell['metric']).words} at {panel.level} "
        f"{number(cell['baseline'])} and {number(cell['candidate'])} ms"
        for panel, cell in zip(panels, cells, strict=True)
    ]
    chart.alt = f"Dot charts of each run's latency, baseline beside candidate. Means: {'; '.join(means)}."
    return chart


def _draw_runs(panel: Panel, cell: dict[Any, Any], rows: DataFrame, *, reach: float, margin: float) -> None:
    axes = panel.axes
    middle = float(np.sqrt(rows["value"].max() * rows["value"].min()))
    axes.set_yscale("log")
    axes.set_ylim(middle / reach, middle * reach)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    if np.isfinite(cell["baseline"]):
        axes.axhspan(cell["baseline"], cell["baseline"] * (1 + margin), color=SHADE, linewidth=0, zorder=0)
    for place, (side, colour) in enumerate(zip(SIDES, (BASELINE_COLOUR, panel.colour), strict=True)):
        runs = rows[rows["side"] == side]
        x = place + (np.linspace(-0.28, 0.28, len(runs)) if len(runs) > 1 else np.zeros(len(runs)))
        for kind, shown, ink in (("o", runs["used"], colour), ("x", ~runs["used"], MUTED)):
            axes.plot(x[shown], runs["value"][shown], kind, color=ink, markersize=3.6, mew=0.8)
        if np.isfinite(cell[side]):
            axes.hlines(cell[side], place - 0.38, place + 0.38, color=colour, linewidth=2.2, zorder=3)


def _round_by_round(comparison: SweepComparison) -> Chart:
    """Draw each round's own change, where both sides were run in the same rounds."""
    margin = 100 * comparison.margin
    chart, panels = small_multiples(
        comparison,
        comparison.latency,
        "Each round's change",
        f"a dot is a round: its candidate's latency against its baseline's; line: the change found; "
        f"grey: the margin, up to +{margin:g} %",
        unit="change, %",
    )
    shown, texts = [], []
    for panel, rows in shown_rows(comparison.latency_by_round, panels):
        cell = _telling(comparison, panel)
        rounds, found = rows[rows["metric"] == cell["metric"]], change(cell["ratio"])
        if rounds.empty:
            place: Any = {"transform": panel.axes.transAxes, "ha": "center", "va": "center"}
            panel.axes.text(0.5, 0.5, cell["evidence"], size=8, color=MUTED, **place)
            panel.axes.set_xticks([])
            continue
        panel.axes.plot(rounds["repeat"], changes(rounds["ratio"]), "o", color=panel.colour, markersize=4)
        if np.isfinite(found):
            panel.axes.axhline(found, color=panel.colour, linewidth=1.6)
        panel.axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if panel.last:
            panel.axes.set_xlabel("round")
        shown += [*changes(rounds["ratio"]), found]
        texts.append(f"{panel.group} at {panel.level} {percent(found)}")
    change_y_axis(panels, change_limits(shown, [], margin), margin)
    chart.alt = f"Dot charts of each round's change of latency. Found: {'; '.join(texts)}."
    return chart


def _telling(comparison: SweepComparison, panel: Panel) -> dict[Any, Any]:
    """Return a panel's cell of p95, or of p50 where that alone is assessable, and name the panel by it."""
    by_metric = {row["metric"]: row for row in panel.rows(comparison.latency).to_dict("records")}
    assessable = (metric for metric in _TELLING if by_metric[metric]["verdict"] != Finding.NOT_ASSESSABLE)
    cell = by_metric[next(assessable, _TELLING[-1])]
    panel.name(f"{panel.level}, {metric_of(cell['metric']).words}")
    return cell


def _tail(shares: Iterable[float]) -> list[float]:
    """Return where shares of requests lie on the axis of the tail: one in how many requests is slower."""
    return [1 / (1 - share) for share in shares]


def _share_ticks(panel: Panel, shares: Sequence[float], *, tail: bool = False) -> None:
    panel.axes.xaxis.set_major_locator(FixedLocator(_tail(shares) if tail else shares))
    panel.axes.xaxis.set_major_formatter(FixedFormatter([f"p{100 * share:g}" for share in shares]))
    panel.axes.xaxis.set_minor_locator(NullLocator())
    if panel.last:
        panel.axes.set_xlabel("percentile")
