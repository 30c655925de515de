from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D

from perflab import chart
from perflab.analyse.sweep import Sweep
from perflab.chart.levels import group_names
from perflab.chart.live import live
from perflab.chart.style import MUTED, OKABE_ITO, REST, amounts, colours, number, spread
from perflab.drive.tail import LivePoint
from perflab.plan.objectives import Objectives

CHARTS = {
    "throughput": chart.throughput,
    "percentiles": chart.percentiles,
    "latency_over_time": chart.latency_over_time,
    "failures": chart.failures,
    "cpu": chart.cpu,
}
SVG = "{http://www.w3.org/2000/svg}"


def texts(drawn: chart.Chart) -> list[str]:
    root = ET.fromstring(drawn.to_svg())  # noqa: S314 (our own drawing)
    return ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]


def panels(drawn: chart.Chart) -> list[Axes]:
    return [axes for axes in drawn.axes if axes.get_visible() and axes.axison]


def line_through(axes: Axes, x: Any, y: Any) -> Line2D | None:
    wanted = np.array([x, y], float)
    for line in axes.lines:
        drawn = np.array([np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata())], float)
        if drawn.shape == wanted.shape and np.allclose(drawn, wanted):
            return line
    return None


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("users", [(30,), (20, 40), (20, 40, 80, 160)])
@pytest.mark.parametrize("objectives", [None, Objectives()], ids=["three groups", "no objectives"])
def test_every_shape_of_sweep_is_drawn_with_units_and_alternative_text(
    recorded: Callable[..., Sweep], name: str, users: tuple[int, ...], objectives: Objectives | None
) -> None:
    drawn = CHARTS[name](recorded(objectives, users=users))
    shown = texts(drawn)
    assert drawn.alt
    assert shown, "a chart says what it shows"
    labels = " ".join(shown)
    assert any(unit in labels for unit in ("requests/s", " ms", "ms", "%", "failed request"))
    for axes in panels(drawn):
        alike = axes.get_shared_y_axes().get_siblings(axes)
        assert any(one.get_ylabel() for one in alike) or axes.get_yticklabels(), "a y axis without a unit"


def test_throughput_shows_the_measured_rates(four_levels: Sweep) -> None:
    [axes] = panels(chart.throughput(four_levels))
    for name in group_names(four_levels):
        rows = four_levels.groups[four_levels.groups.group == name].sort_values("level")
        assert line_through(axes, amounts(rows.level), rows.rps) is not None
    totals = four_levels.totals.sort_values("level")
    assert line_through(axes, amounts(totals.level), totals.rps) is not None


def test_percentiles_show_the_measured_latencies_and_the_objectives(four_levels: Sweep) -> None:
    drawn = chart.percentiles(four_levels)
    by_group = dict(zip(group_names(four_levels), panels(drawn), strict=True))
    limits = {"auth": 200, "generation": 500, "payments": 300}
    for name, axes in by_group.items():
        rows = four_levels.groups[four_levels.groups.group == name].sort_values("level")
        for column in ("p50_ms", "p95_ms", "p99_ms"):
            assert line_through(axes, amounts(rows.level), rows[column]) is not None
        assert line_through(axes, [0, 1], [limits[name]] * 2) is not None
        low, high = axes.get_ylim()
        assert low <= rows.p50_ms.min() and max(rows.p99_ms.max(), limits[name]) <= high
        # The name of an objective covers no point.
        [named] = [text for text in axes.texts if text.get_text().startswith("objective: ")]
        assert named.get_zorder() < min(line.get_zorder() for line in axes.lines)
    assert "objective: p95 ≤ 300 ms" in texts(drawn)


def test_latency_over_time_keeps_every_second_of_every_run_in_its_place(four_levels: Sweep) -> None:
    drawn = chart.latency_over_time(four_levels)
    timeline = four_levels.timeline
    for name, axes in zip(group_names(four_levels), panels(drawn), strict=True):
        rows = timeline[timeline.group == name]
        drawn_p95 = [
            np.asarray(line.get_ydata(), float) for line in axes.lines if len(np.atleast_1d(line.get_ydata())) > 2
        ]
        wanted = rows.sort_values(["level", "repeat", "second"]).p95_ms.to_numpy()
        assert any(np.array_equal(values[~np.isnan(values)], wanted) for values in drawn_p95)
        # One break after each of the eight runs: no line joins two of them.
        assert all(np.isnan(values).sum() == 8 for values in drawn_p95)
    assert {"20 users, 2 runs", "160 users, 2 runs"} <= set(texts(drawn))


def test_a_group_has_one_colour_in_all_charts(four_levels: Sweep) -> None:
    names = group_names(four_levels)
    assert names == ["auth", "generation", "payments"]
    palette = colours(names)
    assert [palette[name] for name in names] == list(OKABE_ITO[:3])
    for draw in (chart.throughput, chart.percentiles, chart.latency_over_time, chart.failures):
        drawn = {to_hex(line.get_color()) for axes in draw(four_levels).axes for line in axes.lines}
        assert set(palette.values()) <= drawn


def test_colours_follow_the_list_and_the_rest_is_grey() -> None:
    many = [f"group {index}" for index in range(8)]
    assert colours([*many, "other"])["other"] == REST
    assert colours(many)["group 6"] == OKABE_ITO[0]


def test_hostile_group_names_are_shown_as_they_are(hostile_groups: Sweep) -> None:
    for draw in CHARTS.values():
        draw(hostile_groups).to_png(dpi=50)
    shown = texts(chart.percentiles(hostile_groups))
    assert "_auth" in shown
    assert "$x^{ & <b>" in shown
    assert "other" in shown


def test_an_invalid_level_is_drawn_hollow_and_said_so(one_invalid: Sweep) -> None:
    assert list(one_invalid.levels.verdict == "INVALID") == [False, True]
    drawn = chart.throughput(one_invalid)
    hollow = {
        float(x)
        for line in panels(drawn)[0].lines
        if line.get_marker() == "o" and line.get_markerfacecolor() == "white"
        for x in np.atleast_1d(line.get_xdata())
    }
    assert hollow == {40.0}
    assert any("hollow: measurement INVALID" in text for text in texts(drawn))


def test_without_a_failed_request_the_error_chart_says_so_quietly(recorded: Callable[..., Sweep]) -> None:
    sweep = recorded(users=(20, 40), failure_rate=0.0)
    drawn = chart.failures(sweep)
    assert not panels(drawn)
    assert f" {number(int(sweep.totals.requests.sum()))} " in drawn.alt


def test_errors_count_every_failure(four_levels: Sweep) -> None:
    _, counts = panels(chart.failures(four_levels))
    drawn = sum(bar.get_width() for bar in counts.patches)  # type: ignore[attr-defined]
    assert drawn == four_levels.failures["count"].sum() > 0


def test_cpu_says_when_a_generator_process_is_busy_and_draws_each(four_levels: Sweep) -> None:
    drawn = chart.cpu(four_levels)
    generator, target = panels(drawn)
    assert line_through(generator, [0, 1], [80, 80]) is not None
    assert "80 %: busy" in texts(drawn)
    assert sum(len(np.atleast_1d(line.get_ydata())) > 2 for line in generator.lines) == 2
    assert generator.get_ylim()[1] >= 100
    assert target.get_ylim()[1] >= four_levels.target.cpu_percent.max()


def test_the_generators_chart_tells_what_was_achieved(four_levels: Sweep) -> None:
    drawn = chart.generator(four_levels)
    achieved, overhead, loop = panels(drawn)
    assert line_through(achieved, [0, 1], [95, 95]) is not None
    assert "INVALID below" in " ".join(texts(drawn))
    steady = four_levels.generator[four_levels.generator.steady]
    mean = 100 * (1 - steady.lost_s.sum() / steady.users.sum())
    assert f"{mean:.1f} %" in drawn.alt
    assert overhead.get_ylim()[1] >= steady.client_overhead_p99_ms.max()
    assert loop.get_ylim()[1] >= steady.lag_ms.max()


def test_a_chart_shows_itself_once_with_its_alternative_text(four_levels: Sweep) -> None:
    data, metadata = chart.throughput(four_levels)._repr_mimebundle_()
    assert list(data) == ["image/svg+xml"]
    assert metadata == {"image/svg+xml": {"alt": chart.throughput(four_levels).alt}}


def test_a_dense_timeline_is_shown_as_an_image_of_bounded_size(recorded: Callable[..., Sweep]) -> None:
    drawn = chart.latency_over_time(recorded(users=(20,), seconds=2200))
    data, metadata = drawn._repr_mimebundle_()
    assert list(data) == ["image/png"]
    assert metadata["image/png"] == {"alt": drawn.alt, "width": 912, "height": round(drawn.get_figheight() * 96)}


def test_the_same_sweep_gives_the_same_drawing(four_levels: Sweep) -> None:
    assert chart.cpu(four_levels).to_svg() == chart.cpu(four_levels).to_svg()


def test_drawing_leaves_the_users_settings_alone(four_levels: Sweep) -> None:
    before = dict(mpl.rcParams)
    chart.percentiles(four_levels).to_svg()
    assert dict(mpl.rcParams) == before


def test_tab_offers_the_charts_and_their_type_alone() -> None:
    assert dir(chart) == sorted(chart.__all__)
    assert all(name == "Chart" or callable(getattr(chart, name)) for name in dir(chart))


def test_charts_never_load_pyplot() -> None:
    program = "import perflab.chart, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_live_chart_shows_the_latest_values_and_what_failed() -> None:
    points = [LivePoint(second, 40 + second, second % 2, 90.0, second * 10) for second in range(10)]
    shown = texts(live(points, "250 users, run 1 of 1"))
    assert {"250 users, run 1 of 1", "users 90", "requests/s 49.0/s", "p95 90.0 ms", "5 failed so far"} <= {
        " ".join(text.split()) for text in shown
    }


@pytest.mark.parametrize("points", [[], [LivePoint(0, 0, 0, None, 0)]], ids=["none", "no request yet"])
def test_live_chart_before_the_first_request(points: list[LivePoint]) -> None:
    assert "no failed request so far" in texts(live(points))


def test_labels_move_apart_but_stay_in_order() -> None:
    places = spread([0.1, 0.1, 0.12, 0.9], 0.1)
    assert places == sorted(places)
    assert all(np.diff(places) >= 0.1 - 1e-9)
    assert places[3] == 0.9
    assert np.mean(places[:3]) == pytest.approx(np.mean([0.1, 0.1, 0.12]))


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3.00"), (43.21, "43.2"), (412.4, "412"), (123456, "123\u202f456"), (float("nan"), "\u2013")],
)
def test_numbers_as_people_read_them(value: float, text: str) -> None:
    assert number(value) == text


def test_muted_text_is_readable_on_white() -> None:
    red, green, blue = (int(MUTED[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5
