"""Failed requests: their rate by group beside its limit, and which failures they were at which level."""

from __future__ import annotations

from matplotlib.axes import Axes
from pandas import DataFrame

from perflab.analyse.sweep import Sweep
from perflab.chart.groups import group_names, invalid_levels
from perflab.chart.style import (
    MUTED,
    REST,
    Chart,
    canvas,
    colours,
    end_labels,
    limit_line,
    number,
    plain_number_axis,
    short,
    styled,
    users_axis,
)

_MOST_BARS = 12


@styled
def errors(sweep: Sweep) -> Chart:
    """Error rate in % by group against users, and failed requests by users and outcome; a quiet panel without any."""
    failures, totals = sweep.failures, sweep.totals
    if failures.empty and not (totals.failed > 0).any():
        return _none(int(totals.requests.sum()))
    counts = failures.groupby(["users", "outcome"], observed=True)["count"].sum().reset_index()
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
    told = [f"{row['count']} {row.outcome} at {row.users} users" for _, row in counts.iterrows()]
    chart.alt = (
        "Error rate by group against users, and failed requests by outcome: " + "; ".join(told[:_MOST_BARS]) + "."
    )
    return chart


def _none(requests: int) -> Chart:
    chart, [[axes]] = canvas("Failed requests", "", panel_height=0.3, left=0.02, head=-0.05)
    axes.set_axis_off()
    told = f"No request failed, neither the {number(requests)} of the steady windows nor any of the ramp-up."
    if not requests:
        told = "No request was judged, and none failed."
    axes.text(0, 0.5, told, transform=axes.transAxes, va="center", size=10, color=MUTED)
    chart.alt = told
    return chart


def _rates(axes: Axes, sweep: Sweep) -> None:
    names = group_names(sweep)
    palette, invalid = colours(names), invalid_levels(sweep)
    labels = []
    for name in names:
        rows = sweep.groups[sweep.groups.group == name].sort_values("users")
        if rows.empty:
            continue
        percent = 100 * rows.error_rate
        axes.plot(rows.users, percent, color=palette[name])
        for users, value in zip(rows.users, percent, strict=True):
            face = "white" if users in invalid else palette[name]
            axes.plot([users], [value], "o", color=palette[name], mfc=face, mew=1.3, clip_on=False)
        labels.append((percent.iloc[-1], f"{short(name, 14)}  {number(percent.iloc[-1])} %", palette[name]))
    judged = sweep.verdicts[sweep.verdicts.objective == "error_rate"].drop_duplicates("group")
    top = max([100 * rate for rate in sweep.groups.error_rate.dropna()], default=0.0)
    for limit, rows in judged.groupby("limit"):
        percent_limit = 100 * float(str(limit))
        top = max(top, percent_limit)
        told = ", ".join(short(str(group), 14) for group in rows.group)
        limit_line(axes, percent_limit, f"objective: {told} ≤ {percent_limit:g} %")
    plain_number_axis(axes, unit="failed, % of requests")
    axes.set_ylim(0, 1.18 * top or 1.0)
    if len(sweep.totals):
        users_axis(axes, [int(users) for users in sweep.totals.users])
    end_labels(axes, labels)


def _counts(axes: Axes, counts: DataFrame) -> None:
    ordered = counts.sort_values("count", ascending=False)
    shown = ordered.head(_MOST_BARS).sort_values(["users", "count"], ascending=[False, True])
    places = range(len(shown))
    axes.barh(list(places), shown["count"].to_list(), color=REST, height=0.62)
    axes.set_yticks(list(places), [f"{short(str(row.outcome))} · {row.users} users" for row in shown.itertuples()])
    for place, count in zip(places, shown["count"], strict=True):
        axes.annotate(
            number(count), (count, place), xytext=(4, 0), textcoords="offset points", va="center", size=8.5, color=MUTED
        )
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    rest = ordered["count"].iloc[_MOST_BARS:]
    more = f"; {len(rest)} smaller not shown ({number(rest.sum())})" if len(rest) else ""
    axes.set_xlabel(f"failed requests by outcome{more}")
    axes.set_ylim(-0.6, max(len(shown) - 0.4, 2.4))
