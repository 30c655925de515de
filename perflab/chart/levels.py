"""What happens as the load grows: throughput, latency percentiles and failures, beside their objectives."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from pandas import DataFrame

from perflab.analyse.sweep import Sweep
from perflab.chart.style import (
    INK,
    MUTED,
    REST,
    Chart,
    amounts,
    canvas,
    colours,
    end_labels,
    latency_axis,
    level_axis,
    limit_line,
    nothing,
    number,
    plain_number_axis,
    short,
    styled,
    tint,
)
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import CHARTED, Percentile, metric_of
from perflab.vocabulary.verdict import Verdict

# How the percentiles are told apart, in their order: line style and strength of the group's colour.
_STYLES: tuple[tuple[Any, float], ...] = (("-", 0.5), ("-", 1.0), ((0, (4, 2)), 0.75), ((0, (1, 2)), 0.75))
_MAX_BARS = 12


def group_names(sweep: Sweep) -> list[str]:
    """Return the groups that were measured: those with objectives in their file's order, then the rest.

    That is their order, and so their colours, in every chart and table.
    """
    measured = {str(name) for name in (*sweep.groups.group.unique(), *sweep.timeline.group.unique())}
    stated = [group.name for group in sweep.manifest.objectives.groups if group.name in measured]
    return [*stated, *sorted(measured - set(stated))]


@styled
def throughput(sweep: Sweep) -> Chart:
    """Requests per second in the steady window by level: each group and all together (bars for one level)."""
    groups, totals = sweep.groups, sweep.totals.sort_values("level")
    names, invalid = group_names(sweep), _invalid_levels(sweep)
    palette = colours(names)
    lines = [("all", totals, INK)] if len(names) > 1 else []
    lines += [(name, groups[groups.group == name].sort_values("level"), palette[name]) for name in names]
    lines = [line for line in lines if len(line[1])]
    one_level = len(totals) == 1
    subtitle = "requests begun per second of the steady window, failed ones included"
    chart, [[axes]] = canvas(
        f"Throughput {_where(sweep)}",
        subtitle + _hollow_note(invalid),
        panel_height=0.32 * len(lines) if one_level else 2.9,
        left=1.9 if one_level else 0.75,
        right=1.7,
        head=0,
    )
    if one_level:
        _bars(axes, [(name, float(rows.rps.iloc[0]), colour) for name, rows, colour in lines], invalid)
    else:
        for _, rows, colour in lines:
            _line(axes, rows, "rps", colour, invalid)
        plain_number_axis(axes, unit="requests/s")
        axes.set_ylim(top=1.08 * max([rows.rps.max() for _, rows, _ in lines], default=1.0) or 1.0)
        _levels_or_nothing(axes, totals)
        ends = [(rows.rps.iloc[-1], name, colour) for name, rows, colour in lines]
        end_labels(axes, [(rps, f"{short(name, 14)}  {number(rps)}/s", colour) for rps, name, colour in ends])
    rates = [f"{number(rps)} at {level}" for level, rps in zip(totals.level, totals.rps, strict=True)]
    chart.alt = f"Requests per second against {_counted(sweep)}. All groups together: {', '.join(rates) or 'none'}."
    return chart


def _bars(axes: Axes, bars: list[tuple[str, float, str]], invalid: set[Level]) -> None:
    places = range(len(bars))
    faces = ["white" if invalid else colour for *_, colour in bars]
    edges = [colour for *_, colour in bars]
    axes.barh(list(places), [rps for _, rps, _ in bars], color=faces, edgecolor=edges, height=0.62)
    axes.set_yticks(list(places), [short(name) for name, *_ in bars])
    axes.invert_yaxis()
    for place, (_, rps, colour) in enumerate(bars):
        axes.annotate(
            f"{number(rps)}/s", (rps, place), xytext=(4, 0), textcoords="offset points", va="center", color=colour
        )
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.set_xlabel("requests/s")


@styled
def percentiles(sweep: Sweep) -> Chart:
    """Latency percentiles in ms by level, one panel per group, latency objectives as lines."""
    groups = sweep.groups
    names, invalid = group_names(sweep), _invalid_levels(sweep)
    limits = latency_limits(sweep)
    columns = min(3, max(1, len(names)))
    rows = max(1, -(-len(names) // columns))
    bars = "; bars: 95 % bounds of what is judged" if limits else ""
    subtitle = f"of successful requests in the steady window, repeats pooled{bars}{_hollow_note(invalid)}"
    chart, panels = canvas(
        f"Latency percentiles {_where(sweep)}",
        subtitle,
        panel_height=1.7 if len(sweep.totals) == 1 else 2.7,
        rows=rows,
        columns=columns,
        right=0.85 if columns > 1 else 2.6,
        gap_x=0.85,
        gap_y=0.75,
        share_y=True,
    )
    flat = [axes for row in panels for axes in row]
    shown = [value for metric in CHARTED for value in groups[metric.name]]
    logarithmic = latency_axis(flat, [*shown, *(limit for _, _, limit in limits)])
    palette = colours(names)
    for axes, name in zip(flat, names, strict=False):
        rows_of = groups[groups.group == name].sort_values("level")
        axes.set_title(short(name), loc="left", size=9.5, weight="bold", color=palette[name], pad=8)
        _levels_or_nothing(axes, sweep.totals)
        labels = []
        for metric, (style, strength) in zip(CHARTED, cycle(_STYLES), strict=False):
            _line(axes, rows_of, metric.name, tint(palette[name], strength), invalid, linestyle=style)
            if len(rows_of):
                last = float(rows_of[metric.name].iloc[-1])
                labels.append((last, f"{metric.words}  {number(last)}", palette[name]))
        _bounds(axes, sweep.verdicts, name, palette[name])
        end_labels(axes, labels)
        for group, metric, limit in limits:
            if group == name:
                missed = metric.name in rows_of and bool((rows_of[metric.name] > limit).any())
                limit_line(axes, limit, f"objective: {metric.words} ≤ {limit:g} ms", below=missed)
    for axes in flat[max(1, len(names)) :]:
        axes.set_visible(False)
    if not names:
        _levels_or_nothing(flat[0], sweep.totals)
    for row in panels:
        row[0].set_ylabel("latency, ms (log)" if logarithmic else "latency, ms")
    worst = groups.sort_values("level").groupby("group", observed=True, sort=False).last()
    highest = ", ".join(f"{name} p95 {number(worst.p95_ms[name])} ms" for name in names if name in worst.index)
    against = f"latency percentiles against {_counted(sweep)} by group"
    chart.alt = f"Small line charts: {against}. At the highest level: {highest}."
    return chart


@styled
def failures(sweep: Sweep) -> Chart:
    """Error rate in % by group and level, and failed requests by level and outcome; a quiet panel without any."""
    counts, totals = sweep.failures_by_outcome, sweep.totals
    if counts.empty and not (totals.failed > 0).any():
        requests = int(totals.requests.sum())
        every = f"No request failed, neither the {number(requests)} of the steady windows nor any of the ramp-up."
        return nothing("Failed requests", every if requests else "No request was judged, and none failed.")
    chart, [[left, right]] = canvas(
        "Failed requests",
        "left: share of all requests in the steady window; right: number in whole runs, ramp-up included",
        panel_height=2.7,
        columns=2,
        right=0.7,
        gap_x=2.9,
        head=0.05,
    )
    _rates(left, sweep)
    _counts(right, counts)
    kinds = [f"{row['count']} {row['outcome']} at {row['level']}" for row in counts.to_dict("records")]
    listed = "; ".join(kinds[:_MAX_BARS])
    chart.alt = f"Error rate by group against {_counted(sweep)}, and failed requests by outcome: {listed}."
    return chart


def _rates(axes: Axes, sweep: Sweep) -> None:
    names = group_names(sweep)
    palette, invalid = colours(names), _invalid_levels(sweep)
    labels = []
    for name in names:
        rows = sweep.groups[sweep.groups.group == name].sort_values("level")
        if rows.empty:
            continue
        _line(axes, rows.assign(percent=100 * rows.error_rate), "percent", palette[name], invalid)
        last = 100 * rows.error_rate.iloc[-1]
        labels.append((last, f"{short(name, 14)}  {number(last)} %", palette[name]))
    judged = sweep.verdicts[sweep.verdicts.objective == "error_rate"].drop_duplicates("group")
    top = max([100 * rate for rate in sweep.groups.error_rate.dropna()], default=0.0)
    for limit, rows in judged.groupby("limit"):
        percent_limit = 100 * float(str(limit))
        top = max(top, percent_limit)
        groups = ", ".join(short(str(group), 14) for group in rows.group)
        limit_line(axes, percent_limit, f"objective: {groups} ≤ {percent_limit:g} %")
    plain_number_axis(axes, unit="failed, % of requests")
    axes.set_ylim(0, 1.18 * top or 1.0)
    if len(sweep.totals):
        level_axis(axes, sweep.totals.level)
    end_labels(axes, labels)


def _counts(axes: Axes, counts: DataFrame) -> None:
    ordered = counts.sort_values("count", ascending=False)
    shown = ordered.head(_MAX_BARS).sort_values(["level", "count"], ascending=[False, True])
    places = range(len(shown))
    axes.barh(list(places), shown["count"].to_list(), color=REST, height=0.62)
    axes.set_yticks(list(places), [f"{short(str(row.outcome))} · {row.level}" for row in shown.itertuples()])
    for place, count in zip(places, shown["count"], strict=True):
        axes.annotate(
            number(count), (count, place), xytext=(4, 0), textcoords="offset points", va="center", size=8.5, color=MUTED
        )
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    rest = ordered["count"].iloc[_MAX_BARS:]
    more = f"; {len(rest)} smaller not shown ({number(rest.sum())})" if len(rest) else ""
    axes.set_xlabel(f"failed requests by outcome{more}")
    axes.set_ylim(-0.6, max(len(shown) - 0.4, 2.4))


def latency_limits(sweep: Sweep) -> list[tuple[str, Percentile, float]]:
    """Return the latency objectives as (group, percentile, limit in ms)."""
    unique = sweep.verdicts.drop_duplicates(["group", "objective"])
    return [
        (row["group"], metric, row["limit"])
        for row in unique.to_dict("records")
        if isinstance(metric := metric_of(row["objective"]), Percentile)
    ]


def _line(axes: Axes, rows: DataFrame, column: str, colour: str, invalid: set[Level], *, linestyle: Any = "-") -> None:
    axes.plot(amounts(rows.level), rows[column], color=colour, linestyle=linestyle)
    for hollow in (False, True):
        points = rows[rows.level.isin(invalid) == hollow]
        if len(points):
            face = "white" if hollow else colour
            axes.plot(amounts(points.level), points[column], "o", color=colour, mfc=face, mew=1.3, clip_on=False)


def _bounds(axes: Axes, verdicts: DataFrame, group: str, colour: str) -> None:
    of_group = verdicts[(verdicts.group == group) & verdicts.objective.isin([metric.name for metric in CHARTED])]
    known = of_group.dropna(subset=["low", "high"])
    if len(known):
        axes.vlines(amounts(known.level), known.low, known.high, color=colour, linewidth=5, alpha=0.3)


def _levels_or_nothing(axes: Axes, totals: DataFrame) -> None:
    if len(totals):
        level_axis(axes, totals.level)
    else:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no complete run", transform=axes.transAxes, ha="center", color=MUTED)


def _hollow_note(invalid: set[Level]) -> str:
    return "; hollow: measurement INVALID" if invalid else ""


def _where(sweep: Sweep) -> str:
    return f"at {sweep.totals.level.iloc[0]}" if len(sweep.totals) == 1 else f"against {_counted(sweep)}"


def _counted(sweep: Sweep) -> str:
    """Return what the levels count."""
    return sweep.all_levels[0].kind


def _invalid_levels(sweep: Sweep) -> set[Level]:
    """Return the levels whose measurement can't be trusted."""
    return set(sweep.levels.level[sweep.levels.verdict == Verdict.INVALID])
