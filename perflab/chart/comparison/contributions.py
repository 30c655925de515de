"""Which endpoints a group's change of latency comes from."""

from __future__ import annotations

from pandas import DataFrame

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.panels import (
    caption,
    compared_colours,
    nothing,
    row_text,
)
from perflab.chart.style import INK, MUTED, Chart, canvas, number, short, styled
from perflab.vocabulary.verdict import Finding

_TITLE = "What each endpoint adds"
_MOST_BARS = 14


@styled
def comparison_contributions(comparison: SweepComparison) -> Chart:
    """What each endpoint adds to the change of its group's mean latency in ms; of the slower groups, or of all."""
    frame = comparison.contributions.dropna(subset=["contribution_ms"])
    groups = [group for group in comparison.slower if group in set(frame["group"])]
    of_groups = frame[frame["group"].isin(groups)] if groups else frame
    if of_groups.empty:
        return nothing(_TITLE, "There is no endpoint that both have.")
    users = _level(comparison, of_groups)
    of_groups = of_groups[of_groups["users"] == users]
    largest = of_groups["contribution_ms"].abs().nlargest(_MOST_BARS).index
    shown = of_groups.loc[largest].sort_values("contribution_ms", ascending=False)
    hidden = len(of_groups) - len(shown)
    whose = "of the slower groups" if len(groups) > 1 else f"of {short(groups[0])}, which is slower" if groups else ""
    more = f"{hidden} smaller ones are not shown" if hidden else ""
    told, lines = caption(
        comparison,
        f"to the change of its group's mean latency at {number(users)} users; "
        "at the right its own mean latency and its share of the group's requests",
        "; ".join(text for text in (f"endpoints {whose}" if whose else "", more) if text),
    )
    chart, [[axes]] = canvas(_TITLE, told, panel_height=0.27 * len(shown) + 0.1, left=3.3, right=3.1, head=lines)
    palette = compared_colours(comparison)
    places = range(len(shown))
    axes.barh(places, shown["contribution_ms"], color=[palette[group] for group in shown["group"]], height=0.62)
    names = zip(shown["method"], shown["name"], strict=True)
    axes.set_yticks(places, [f"{method} {short(name, 34)}" for method, name in names])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("adds to the mean of its group, ms")
    for place, row in zip(places, shown.to_dict("records"), strict=True):
        before, after = number(row["baseline_ms"]), number(row["candidate_ms"])
        row_text(axes, 1, place, 60, f"{_signed(row['contribution_ms'])} ms", color=INK, ha="right")
        arrow = "\N{RIGHTWARDS ARROW}"
        row_text(axes, 1, place, 72, f"{before} {arrow} {after} ms, {100 * row['share']:.0f} %", color=MUTED)
    largest_first = [f"{row['name']} {_signed(row['contribution_ms'])} ms" for row in shown.head(5).to_dict("records")]
    chart.alt = f"Bar chart of what endpoints add to the change of mean latency: {', '.join(largest_first)}."
    return chart


def _level(comparison: SweepComparison, contributions: DataFrame) -> int:
    """Return the highest user count at which something is slower; if nothing is, the highest."""
    cells, levels = comparison.latency, contributions["users"]
    slower = levels[levels.isin(cells.loc[cells["verdict"] == Finding.SLOWER, "users"])]
    return int((slower if len(slower) else levels).max())


def _signed(value: float) -> str:
    digits = 0 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
