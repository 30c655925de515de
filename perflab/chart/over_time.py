"""What happened second by second, all runs side by side: latency by group, CPU of generator and target."""

from __future__ import annotations

from perflab.analyse.sweep import Sweep
from perflab.analyse.validity import BUSY_CPU_PERCENT
from perflab.chart.against_users import latency_limits
from perflab.chart.groups import group_names
from perflab.chart.strip import lay_out
from perflab.chart.style import (
    INK,
    LIMIT,
    LIMIT_DASHES,
    MUTED,
    Chart,
    canvas,
    colours,
    end_labels,
    latency_axis,
    number,
    plain_number_axis,
    short,
    styled,
    tint,
)

_MOST_SVG_POINTS = 12_000
SHADED = "shaded: ramp-up and what was not steady, not judged"


@styled
def latency_over_time(sweep: Sweep) -> Chart:
    """p50 and p95 latency in ms of each second's requests, a row a group, runs side by side."""
    timeline, names = sweep.timeline, group_names(sweep)
    strip = lay_out(sweep.runs, timeline)
    chart, panels = canvas(
        "Latency over time",
        f"p50 (pale) and p95 of the successful requests begun in each second; {SHADED}",
        panel_height=1.35 if len(names) > 1 else 2.2,
        rows=max(1, len(names)),
        right=1.5,
        gap_y=0.35,
        share_y=True,
    )
    flat = [axes for row in panels for axes in row]
    limits = [limit for limit in latency_limits(sweep) if limit[0] in names]
    # The first lone requests of a ramp-up would stretch the scale downwards for nothing.
    steady = timeline[timeline.steady]
    values = [
        *timeline.p95_ms[~timeline.steady].nlargest(1),
        *steady.p50_ms,
        *steady.p95_ms,
        *(at for *_, at in limits),
    ]
    logarithmic = latency_axis(flat, values)
    palette = colours(names)
    for place, (axes, name) in enumerate(zip(flat, names, strict=False)):
        strip.draw(axes, titles=place == 0, ticks=place == len(names) - 1)
        rows = timeline[timeline.group == name]
        labels = []
        for column, percentile, strength, width in (
            ("p50_ms", "p50", 0.5, 1.4),
            ("p95_ms", f"{short(name, 14)} p95", 1.0, 0.9),
        ):
            x, y = strip.line(rows, column)
            axes.plot(x, y, color=tint(palette[name], strength), linewidth=width)
            # Where a line runs on average, not where it ends: single seconds jump.
            labels.append((float(rows[column].tail(60).median()), percentile, palette[name]))
        for group, metric, limit in limits:
            if group == name:
                axes.axhline(limit, color=LIMIT, linewidth=0.9, linestyle=LIMIT_DASHES)
                labels.append((limit, f"{metric} ≤ {limit:g} ms", LIMIT))
        end_labels(axes, labels)
        axes.set_ylabel("ms (log)" if logarithmic else "ms")
    chart.image = "png" if 2 * len(timeline) > _MOST_SVG_POINTS else "svg"
    chart.alt = (
        f"Line charts of p50 and p95 latency by second, one row a group ({', '.join(names)}), runs side by side."
    )
    return chart


@styled
def cpu(sweep: Sweep) -> Chart:
    """CPU of the load generator's processes and of the managed target by second; 100 % is one core."""
    generator, target = sweep.generator, sweep.target
    strip = lay_out(sweep.runs, generator, target)
    rows = 1 if target.empty else 2
    unseen = "; the target was not started by perflab, so its CPU is not known" if target.empty else ""
    chart, panels = canvas(
        "CPU of generator and target",
        f"100 % is one core; {SHADED}{unseen}",
        panel_height=1.5,
        rows=rows,
        right=1.45,
        gap_y=0.35,
    )
    top, low = panels[0][0], panels[-1][0]
    sources = sorted(str(source) for source in generator.source.unique())
    for source in sources:
        x, y = strip.line(generator[generator.source == source], "cpu_percent")
        top.plot(x, y, color=INK, linewidth=1.0, alpha=1.0 if len(sources) == 1 else 0.6)
    top.axhline(BUSY_CPU_PERCENT, color=LIMIT, linewidth=1.0, linestyle=LIMIT_DASHES)
    plain_number_axis(top, unit="generator, %", ticks=4)
    top.set_ylim(0, 1.08 * max([100.0, *generator.cpu_percent.dropna()]))
    strip.draw(top, titles=True, ticks=rows == 1)
    what = "one process" if len(sources) <= 1 else f"{len(sources)} processes"
    end_labels(top, [(BUSY_CPU_PERCENT, f"{BUSY_CPU_PERCENT:g} %: busy", LIMIT)])
    top.text(1.015, 0.1, f"generator,\n{what}", transform=top.transAxes, size=8.5, color=MUTED)
    if not target.empty:
        x, y = strip.line(target, "cpu_percent")
        low.plot(x, y, color=INK, linewidth=1.0)
        plain_number_axis(low, unit="target, %", ticks=4)
        low.set_ylim(0, 1.08 * max([100.0, *target.cpu_percent.dropna()]))
        strip.draw(low, titles=False, ticks=True)
        low.text(1.015, 0.1, "target, all its\nprocesses", transform=low.transAxes, size=8.5, color=MUTED)
    peaks = [f"generator process {number(generator.cpu_percent.max())} %"] if len(generator) else []
    peaks += [f"target {number(target.cpu_percent.max())} %"] if len(target) else []
    chart.alt = (
        f"Line charts of CPU by second, 100 % is one core. Highest second: {', '.join(peaks) or 'not recorded'}."
    )
    return chart
