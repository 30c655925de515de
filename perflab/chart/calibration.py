"""What a calibration saw: the achieved load and the error of p95 as each ramp went up, and the ceilings."""

from __future__ import annotations

import math
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from perflab.analyse.validity import MAX_SHORTFALL
from perflab.chart.style import INK, LIMIT_DASHES, OKABE_ITO, Chart, canvas, limit_line, number, styled, tint
from perflab.store.calibration import Calibration, Ceiling, Step

_COLOURS = {"HttpUser": OKABE_ITO[0], "FastHttpUser": OKABE_ITO[1]}
# What lies beyond is drawn at the edge: how far a broken measurement is off says nothing.
_MIN_ACHIEVED, _MAX_ERROR = 80.0, 3.0
# Steps beyond the ceiling that are shown: enough to see it break. Further on the load falls back.
_BEYOND = 2


@styled
def calibration(found: Calibration) -> Chart:
    """Offered share of the intended load and error of p95 against requests/s, a column per client and processes."""
    machine, ceilings = found.machine, found.ceilings
    chart, panels = canvas(
        "How much load this machine can offer",
        f"each column is a ramp of users that make a request every {found.cycle_s:g} s, a dot every few seconds; "
        f"hollow: beyond its ceiling\n"
        f"{machine.processor}, {machine.cores} cores, locust {found.versions.get('locust')}",
        panel_height=1.9,
        rows=2,
        columns=len(ceilings),
        gap_x=0.3,
        gap_y=0.3,
        head=0.5,
    )
    most = max((step.requests_per_s for ceiling in ceilings for step, _ in _shown(ceiling)), default=1.0)
    least = 100 * (1 - MAX_SHORTFALL)
    for at, (ceiling, load, error) in enumerate(zip(ceilings, *panels, strict=True)):
        load.set_title(_title(ceiling), loc="left", size=9, color=_COLOURS[ceiling.client], pad=8)
        _ramp(load, ceiling, lambda step: max(_MIN_ACHIEVED, 100 * step.achieved_load))
        _ramp(error, ceiling, _error_percent)
        load.set_ylim(_MIN_ACHIEVED, 101)
        error.set_ylim(-_MAX_ERROR, _MAX_ERROR)
        error.set_xlabel("requests/s")
        for axes in (load, error):
            axes.set_xlim(0, 1.06 * most)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(round(value))))
            axes.tick_params(labelleft=not at)
        load.tick_params(labelbottom=False)
        if at:
            for axes, limit in ((load, least), (error, 1)):
                axes.axhline(limit, color=INK, linewidth=1.0, linestyle=LIMIT_DASHES)
        else:
            limit_line(load, least, f"at least {least:.0f} %")
            limit_line(error, 1, "within ±1 %")
            load.set_ylabel("achieved load,\n% of the intended")
            error.set_ylabel("error of p95, %\n(measured against drawn)")
        error.axhline(-1, color=INK, linewidth=1.0, linestyle=LIMIT_DASHES)
    chart.alt = "Dot charts of achieved load and error of p95 against requests/s, with their ceilings. " + "; ".join(
        _title(ceiling).replace("\n", ": ") for ceiling in ceilings
    )
    return chart


def _title(ceiling: Ceiling) -> str:
    count = "1 process" if ceiling.processes == 1 else f"{ceiling.processes} processes"
    rate = f"{'≥ ' if ceiling.at_least else ''}{number(ceiling.requests_per_s)} requests/s"
    return f"{ceiling.client}, {count}\n" + (f"{rate}, {number(ceiling.users)} users" if ceiling.users else "no load")


def _shown(ceiling: Ceiling) -> list[tuple[Step, bool]]:
    """Return the steps up to the ceiling and a little further, each with whether it is within."""
    steps = ceiling.steps
    # The ceiling's users are a whole number, the mean of a step's is not.
    held = next((at for at, step in enumerate(steps) if step.users >= ceiling.users + 1), len(steps))
    return [(step, at < held) for at, step in enumerate(steps[: held + _BEYOND])]


def _ramp(axes: Axes, ceiling: Ceiling, y_of: Callable[[Step], float]) -> None:
    colour = _COLOURS[ceiling.client]
    points = [(step.requests_per_s, y_of(step), held) for step, held in _shown(ceiling)]
    shown = [point for point in points if not math.isnan(point[1])]
    axes.plot([x for x, *_ in shown], [y for _, y, _ in shown], color=tint(colour, 0.35), linewidth=1.0)
    for held in (True, False):
        xs = [x for x, _, within in shown if within == held]
        ys = [y for _, y, within in shown if within == held]
        axes.plot(xs, ys, "o", color=colour, mfc=colour if held else "white", mew=1.2, markersize=4.5, clip_on=False)
    if ceiling.users:
        axes.axvline(ceiling.requests_per_s, color=tint(colour, 0.6), linewidth=1.0, zorder=0)


def _error_percent(step: Step) -> float:
    if step.p95_error is None:
        return math.nan
    return min(_MAX_ERROR, max(-_MAX_ERROR, 100 * step.p95_error))
