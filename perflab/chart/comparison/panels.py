"""What the charts of a comparison share: groups and their colours, and a panel a group and user count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from pandas import DataFrame

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.style import MUTED, Chart, canvas, colours, number, short
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Finding, Verdict

_INVALID = "the comparison is INVALID: these figures must not be used"
_LINE = 0.15
_TELLING = ("p95_ms", "p50_ms")
BASELINE_COLOUR = "#8a8a8a"
# More would be too small to read.
_MOST_LEVELS, _MOST_GROUPS, _MOST_COLUMNS = 4, 6, 3


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of one group at one user count; `first` ones stand at the left edge, `last` ones at the bottom."""

    axes: Axes
    group: str
    users: int
    first: bool
    last: bool


def compared_groups(comparison: SweepComparison) -> list[str]:
    """Return all groups in the order, and so in the colours, that the sweeps' own reports use."""
    sweeps = (comparison.candidate, comparison.baseline)
    measured = set(comparison.latency_by_run["group"])
    stated = [group.name for sweep in sweeps for group in sweep.manifest.objectives.groups if group.name in measured]
    return list(dict.fromkeys([*stated, *sorted(measured)]))


def compared_colours(comparison: SweepComparison) -> dict[str, str]:
    """Return each group's colour."""
    return colours(compared_groups(comparison))


def caption(comparison: SweepComparison, *lines: str) -> tuple[str, float]:
    """Return a subtitle of these lines, and how many inches it takes below its first; an INVALID one says so."""
    said = [line for line in (*lines, _INVALID if comparison.verdict == Verdict.INVALID else "") if line]
    return "\n".join(said), _LINE * (len(said) - 1)


def small_multiples(
    comparison: SweepComparison, frame: DataFrame, title: str, *subtitle: str, unit: str
) -> tuple[Chart, list[Panel]]:
    """Return a chart with a panel for each group and user count that `frame` has, at most 6 by 4 of them.

    A row is a group and a column a user count; with one user count, groups stand side by side. `subtitle` are lines.
    """
    shown = set(frame["group"])
    groups = [group for group in compared_groups(comparison) if group in shown]
    most = sorted(groups, key=lambda group: group not in comparison.slower)[:_MOST_GROUPS]
    kept = [group for group in groups if group in most]
    all_levels = sorted(int(users) for users in frame["users"].unique())
    levels = all_levels[-_MOST_LEVELS:]
    left_out = [f"the {len(levels)} highest of {len(all_levels)} user counts"] if len(levels) < len(all_levels) else []
    left_out += [f"{len(kept)} of {len(groups)} groups"] if len(kept) < len(groups) else []
    side_by_side = len(levels) == 1
    columns = min(_MOST_COLUMNS, len(kept)) if side_by_side else len(levels)
    rows = -(-len(kept) // columns) if side_by_side else len(kept)
    told, lines = caption(comparison, *subtitle, f"shown: {' and '.join(left_out)}" if left_out else "")
    chart, grid = canvas(
        title,
        told,
        panel_height=1.9 if side_by_side else 1.35,
        rows=rows,
        columns=columns,
        left=0.8,
        right=0.3,
        gap_x=0.55,
        gap_y=0.7,
        head=0.5 + lines,
    )
    palette = compared_colours(comparison)
    cells = [(group, users) for group in kept for users in levels]
    measured = set(zip(frame["group"], frame["users"], strict=True))
    panels = []
    for at, ((group, users), axes) in enumerate(zip(cells, (axes for row in grid for axes in row), strict=False)):
        if (group, users) not in measured:
            # Not every group is asked at every user count.
            axes.set_visible(False)
            continue
        first = at % columns == 0
        name_panel(axes, f"{number(users)} users")
        if side_by_side or first:
            axes.annotate(
                short(group, 30),
                (0, 1),
                xycoords="axes fraction",
                xytext=(0, 19),
                textcoords="offset points",
                size=9.5,
                weight="bold",
                color=palette[group],
            )
        if first:
            axes.set_ylabel(unit)
        panels.append(Panel(axes, group, users, first, at + columns >= len(cells)))
    for axes in [axes for row in grid for axes in row][len(cells) :]:
        axes.set_visible(False)
    return chart, panels


def name_panel(axes: Axes, text: str) -> None:
    """Say above a panel what it shows of its group."""
    axes.set_title(text, loc="left", size=8.5, color=MUTED, pad=6)


def of_panel(frame: DataFrame, panel: Panel) -> DataFrame:
    """Return the rows of a panel's group and user count."""
    return frame[(frame["group"] == panel.group) & (frame["users"] == panel.users)]


def row_text(axes: Axes, edge: float, at: float, points: float, text: str, **style: Any) -> None:
    """Write beside row `at`: `points` from the left (0) or right (1) `edge` of the panel."""
    place: Any = {"xycoords": ("axes fraction", "data"), "xytext": (points, 0), "textcoords": "offset points"}
    axes.annotate(text, (edge, at), va="center", **place, **({"size": 8.5} | style))


def telling(cells: DataFrame, panel: Panel) -> dict[Any, Any]:
    """Return a panel's cell of p95, or of p50 where that alone is assessable, and name the panel by it."""
    by_metric = {row["metric"]: row for row in of_panel(cells, panel).to_dict("records")}
    assessable = (metric for metric in _TELLING if by_metric[metric]["verdict"] != Finding.NOT_ASSESSABLE)
    cell = by_metric[next(assessable, _TELLING[-1])]
    name_panel(panel.axes, f"{number(panel.users)} users, {metric_of(cell['metric']).words}")
    return dict(cell)


def nothing(title: str, told: str) -> Chart:
    """Return a chart that has nothing to show, and says why."""
    chart, [[axes]] = canvas(title, "", panel_height=0.3, left=0.02, head=-0.25)
    axes.set_axis_off()
    axes.text(0, 0.5, told, transform=axes.transAxes, va="center", size=9.5, color=MUTED)
    chart.alt = f"{title}: {told}"
    return chart


def shown_rows(frame: DataFrame, panels: Sequence[Panel]) -> Iterator[tuple[Panel, DataFrame]]:
    """Yield each panel with its rows."""
    for panel in panels:
        yield panel, of_panel(frame, panel)
