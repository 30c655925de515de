from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from perflab import chart
from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.chart.comparison.panels import change_limits, percent, small_multiples
from perflab.chart.levels import group_names
from perflab.chart.style import colours
from perflab.vocabulary.level import Level
from tests.compared import HOSTILE_GROUPS, SHAPES, compared

CHARTS = {
    "intervals": chart.comparison_intervals,
    "runs": chart.comparison_runs,
    "percentiles": chart.comparison_percentiles,
    "quantiles": chart.comparison_quantiles,
    "over time": chart.comparison_over_time,
    "contributions": chart.comparison_contributions,
}
Compared = Callable[[str], SweepComparison]


@pytest.fixture(scope="module")
def comparison_of(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Return a function that records and compares two sweeps of a shape, each shape once."""
    return cache(lambda shape: compared(tmp_path_factory.mktemp("runs"), shape))


def texts(drawn: chart.Chart) -> list[str]:
    root = ET.fromstring(drawn.to_svg())  # noqa: S314 (our own drawing)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def panels(drawn: chart.Chart) -> list[Axes]:
    return [axes for axes in drawn.axes if axes.get_visible() and axes.axison]


def has_line(axes: Axes, x: Any, y: Any) -> bool:
    wanted = np.array([x, y], float)
    drawn = (np.array([line.get_xdata(), line.get_ydata()], float) for line in axes.lines)
    return any(one.shape == wanted.shape and np.allclose(one, wanted, equal_nan=True) for one in drawn)


def points(line: Line2D) -> list[tuple[float, float]]:
    """Return what a line is drawn through."""
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows by column."""
    return frame.to_dict("records")


def where(frame: pd.DataFrame, **equal: object) -> pd.DataFrame:
    """Return the rows whose columns have these values."""
    for column, value in equal.items():
        frame = frame[frame[column] == value]
    return frame


def spans(axes: Axes) -> list[Any]:
    """Return what horizontal lines of an interval chart span, as (y, from, to)."""
    paths = [path for lines in axes.collections if isinstance(lines, LineCollection) for path in lines.get_paths()]
    return [(path.vertices[0][1], path.vertices[0][0], path.vertices[1][0]) for path in paths]  # type: ignore[index]


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_comparison_is_drawn_and_described(comparison_of: Compared, name: str, shape: str) -> None:
    comparison = comparison_of(shape)
    drawn = CHARTS[name](comparison)
    shown = texts(drawn)
    assert len(drawn.alt) > 20
    if shape == "nothing in common":
        assert any(text.startswith(("There is no", "There are too few")) for text in shown)
        assert panels(drawn) == []
        return
    labels = [*(axes.get_ylabel() for axes in panels(drawn)), *(axes.get_xlabel() for axes in panels(drawn))]
    assert any("ms" in label or "%" in label for label in labels), "a chart without a unit"
    assert any("INVALID" in text for text in shown) == (comparison.verdict == "INVALID")


@pytest.mark.parametrize("name", CHARTS)
def test_hostile_group_names_stay_text(comparison_of: Compared, name: str) -> None:
    comparison = comparison_of("hostile")
    assert comparison.slower == ["$x^{"]
    shown = texts(CHARTS[name](comparison))
    wanted = {"of $x^{, which is slower"} if name == "contributions" else set(HOSTILE_GROUPS)
    assert all(any(one in text for text in shown) for one in wanted)


def test_intervals_show_every_ratio_with_its_bounds(comparison_of: Compared) -> None:
    comparison = comparison_of("four levels")
    [axes] = panels(chart.comparison_intervals(comparison))
    dots = {round(xy[0], 9): xy[1] for line in axes.lines if line.get_marker() == "o" for xy in points(line)}
    lines = {y: (low, high) for y, low, high in spans(axes)}
    left, right = axes.get_xlim()
    found = [*records(comparison.latency_by_group), *records(comparison.latency.dropna(subset=["ratio"]))]
    assert len(found) == len(dots) == len(lines) > 12
    for row in found:
        at = dots[round(100 * (row["ratio"] - 1), 9)]
        bounds = [min(max(100 * (row[bound] - 1), left), right) for bound in ("low", "high")]
        assert lines[at] == pytest.approx(bounds)
    # Groups as wholes first, and each row's change and verdict beside it.
    assert sorted(dots.values())[:3] == [0, 1, 2]
    shown = texts(chart.comparison_intervals(comparison))
    for row in records(comparison.latency_by_group):
        assert {percent(100 * (row["ratio"] - 1)), row["verdict"]} <= set(shown)
    few = comparison.latency[comparison.latency.verdict == "not assessable"]
    assert sum("requests a run" in text for text in shown) == len(few) > 0


def test_the_margin_is_a_band_from_no_change_to_the_margin(comparison_of: Compared) -> None:
    comparison = comparison_of("equal")
    assert comparison.verdict == "PASS"
    [axes] = panels(chart.comparison_intervals(comparison))
    [band] = axes.patches
    assert band.get_extents().transformed(axes.transData.inverted()).intervalx == pytest.approx([0, 10])


def test_runs_show_every_run_and_the_means(comparison_of: Compared) -> None:
    comparison = comparison_of("four levels")
    drawn = panels(chart.comparison_runs(comparison))
    for axes, (group, level) in zip(drawn, by_group_and_level(comparison), strict=True):
        metric = axes.get_title(loc="left").split(", ")[1] + "_ms"
        made = where(comparison.latency_by_run, group=group, level=level, metric=metric)
        runs = where(made, used=True)
        cell = where(comparison.latency, group=group, level=level, metric=metric).iloc[0]
        dots = [points(line) for line in axes.lines if line.get_marker() == "o"]
        for side, of_side in zip(("baseline", "candidate"), dots, strict=True):
            assert [y for _, y in of_side] == where(runs, side=side).sort_values("repeat")["value"].tolist()
            assert len(of_side) == (0 if cell.verdict == "not assessable" else 3)
        means = sorted(y for y, *_ in spans(axes))
        assert means == pytest.approx(sorted([cell.baseline, cell.candidate]))
        low, high = axes.get_ylim()
        assert low < made.value.min()
        assert made.value.max() < high
    ratios = [np.divide(*axes.get_ylim()) for axes in drawn]
    assert ratios == pytest.approx([ratios[0]] * len(ratios)), "the same change has the same height everywhere"


def test_a_run_that_is_not_used_is_a_cross(comparison_of: Compared) -> None:
    comparison = copy.copy(comparison_of("hostile"))
    runs = comparison.latency_by_run.copy()
    runs.loc[(runs["side"] == "candidate") & (runs["repeat"] == 2), "used"] = False
    comparison.__dict__ |= {"latency_by_run": runs}
    for axes in panels(chart.comparison_runs(comparison)):
        drawn = {marker: [len(points(one)) for one in axes.lines if one.get_marker() == marker] for marker in "ox"}
        assert drawn == {"o": [5, 4], "x": [0, 1]}


def test_rounds_show_the_change_of_every_round_and_the_change_found(comparison_of: Compared) -> None:
    comparison = comparison_of("duet")
    drawn = panels(chart.comparison_runs(comparison))
    for axes, (group, level) in zip(drawn, by_group_and_level(comparison), strict=True):
        metric = axes.get_title(loc="left").split(", ")[1] + "_ms"
        runs = where(comparison.latency_by_run, group=group, level=level, metric=metric, used=True)
        sides = [where(runs, side=side).set_index("repeat")["value"] for side in ("candidate", "baseline")]
        wanted = 100 * (sides[0] / sides[1] - 1)
        assert len(wanted) == 5
        assert has_line(axes, wanted.index, wanted)
        cell = where(comparison.latency, group=group, level=level, metric=metric).iloc[0]
        assert has_line(axes, [0, 1], [100 * (cell.ratio - 1)] * 2)
    assert len({axes.get_ylim() for axes in drawn}) == 1


def test_p95_is_shown_where_it_is_assessable_and_p50_elsewhere(comparison_of: Compared) -> None:
    comparison = comparison_of("duet")
    judged = comparison.latency[comparison.latency.verdict != "not assessable"]
    p95 = {(row["group"], row["level"]) for row in records(judged) if row["metric"] == "p95_ms"}
    assert 0 < len(p95) < 6
    for axes, key in zip(panels(chart.comparison_runs(comparison)), by_group_and_level(comparison), strict=True):
        assert axes.get_title(loc="left") == f"{key[1]}, {'p95' if key in p95 else 'p50'}"


def test_curves_quantiles_and_time_show_the_frames(comparison_of: Compared) -> None:
    comparison = comparison_of("duet")
    drawn = {name: panels(CHARTS[name](comparison)) for name in ("percentiles", "quantiles", "over time")}
    for place, (group, level) in enumerate(by_group_and_level(comparison)):
        for side in ("baseline", "candidate"):
            curve = where(comparison.latency_curves, group=group, level=level, side=side).sort_values("q")
            curve = curve[curve.q >= 0.5]
            assert has_line(drawn["percentiles"][place], 1 / (1 - curve.q), curve.latency_ms)
        rows = where(comparison.latency_by_quantile, group=group, level=level).sort_values("q")
        assert has_line(drawn["quantiles"][place], rows.q, 100 * (rows.ratio - 1))
        [band] = [one for one in drawn["quantiles"][place].collections if not isinstance(one, LineCollection)]
        ends = {round(float(y), 6) for _, y in np.asarray(band.get_paths()[0].vertices)}
        assert {round(100 * (bound - 1), 6) for bound in [*rows.low, *rows.high]} <= ends
        blocks = where(comparison.latency_over_time, group=group, level=level).sort_values("second")
        assert has_line(drawn["over time"][place], blocks.second, 100 * (blocks.ratio - 1))


@pytest.mark.parametrize("level", [None, "40 users"])
def test_contributions_are_those_of_the_slower_group_at_the_highest_level_it_is_slower_at(
    comparison_of: Compared, level: str | None
) -> None:
    comparison = copy.copy(comparison_of("four levels"))
    assert comparison.slower == ["payments"]
    # What is computed once lies in the instance itself.
    comparison.__dict__ |= {"latency": comparison.latency.assign(verdict="open")}
    comparison.latency.loc[comparison.latency.level == level, "verdict"] = "slower"
    [axes] = panels(chart.comparison_contributions(comparison))
    rows = where(comparison.contributions, group="payments", level=level or "160 users")
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert widths == pytest.approx(sorted(rows.contribution_ms, reverse=True))
    assert next(label.get_text() for label in axes.get_yticklabels()) == "POST /api/v1/payments/create"


def test_a_group_has_the_colour_it_has_in_the_sweeps_own_report(comparison_of: Compared) -> None:
    comparison = comparison_of("four levels")
    palette = colours(comparison.groups)
    assert palette == colours(group_names(comparison.candidate))
    for name in ("intervals", "runs", "percentiles", "quantiles", "over time"):
        drawn = {to_hex(line.get_color()) for axes in CHARTS[name](comparison).axes for line in axes.lines}
        assert set(palette.values()) <= drawn


def test_more_groups_and_levels_than_fit_are_told(comparison_of: Compared) -> None:
    comparison = comparison_of("four levels")
    groups = [f"g{number}" for number in range(8)]
    [row] = records(comparison.latency_over_time.head(1))
    levels = [Level.of_users(count) for count in range(1, 6)]
    many = pd.DataFrame([row | {"group": group, "level": level} for group in groups for level in levels])
    wide = copy.copy(comparison)
    # What is computed once lies in the instance itself.
    wide.__dict__ |= {"latency_by_run": many}
    drawn, shown = small_multiples(wide, many, "title", "below", unit="ms")
    assert {panel.level for panel in shown} == {"2 users", "3 users", "4 users", "5 users"}
    assert [panel.group for panel in shown if panel.level == "2 users"] == groups[:6]
    assert "shown: the 4 highest of 5 levels and 6 of 8 groups" in texts(drawn)


@pytest.mark.parametrize(
    ("changes", "bounds", "limits"),
    [
        ([], [], (-5, 10)),
        ([1.0], [-2.0, 4.0], (-5, 10)),
        ([20.0], [15.0, 25.0], (-5, 25)),
        ([1.0], [-np.inf, np.inf], (-30, 30)),
        ([np.nan], [np.nan], (-5, 10)),
    ],
)
def test_bounds_far_out_leave_the_changes_readable(
    changes: list[float], bounds: list[float], limits: tuple[float, float]
) -> None:
    low, high = change_limits(changes, bounds, 5)
    room = 0.05 * (limits[1] - limits[0])
    assert (low, high) == pytest.approx((limits[0] - room, limits[1] + room))


def by_group_and_level(comparison: SweepComparison) -> list[tuple[str, Level]]:
    """Return the panels of small multiples in their order."""
    groups = group_names(comparison.candidate)
    return [(group, level) for group in groups for level in sorted(comparison.latency.level.unique())]
