"""What happened second by second, all runs side by side: latency by group, CPU, and the load generator's health."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray
from pandas import DataFrame

from perflab.analyse.health import achieved_load_by_second, worst_by_second
from perflab.analyse.sweep import Sweep
from perflab.analyse.validity import BUSY_CPU_PERCENT, MAX_SHORTFALL
from perflab.chart.levels import group_names, latency_limits
from perflab.chart.style import (
    EDGE,
    INK,
    LIMIT,
    LIMIT_DASHES,
    MUTED,
    SHADE,
    Chart,
    canvas,
    colours,
    end_labels,
    latency_axis,
    number,
    plain_number_axis,
    short,
    size_inches,
    styled,
    tint,
)
from perflab.vocabulary.level import Level

_MAX_SVG_POINTS = 12_000
_SHADED = "shaded: ramp-up and what was not steady, not judged"
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_MAX_TICKS = 22


@styled
def latency_over_time(sweep: Sweep) -> Chart:
    """p50 and p95 latency in ms of each second's requests, one row per group, runs side by side."""
    timeline, names = sweep.timeline, group_names(sweep)
    strip = _lay_out(sweep.runs, timeline)
    chart, panels = canvas(
        "Latency over time",
        f"p50 (pale) and p95 of the successful requests begun in each second; {_SHADED}",
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
            axes.plot(*strip.line(rows, column), color=tint(palette[name], strength), linewidth=width)
            # Where a line runs on average, not where it ends: single seconds jump.
            labels.append((float(rows[column].tail(60).median()), percentile, palette[name]))
        for group, metric, limit in limits:
            if group == name:
                axes.axhline(limit, color=LIMIT, linewidth=0.9, linestyle=LIMIT_DASHES)
                labels.append((limit, f"{metric.words} ≤ {limit:g} ms", LIMIT))
        end_labels(axes, labels)
        axes.set_ylabel("ms (log)" if logarithmic else "ms")
    chart.image = "png" if 2 * len(timeline) > _MAX_SVG_POINTS else "svg"
    chart.alt = (
        f"Line charts of p50 and p95 latency by second, one row per group ({', '.join(names)}), runs side by side."
    )
    return chart


@styled
def cpu(sweep: Sweep) -> Chart:
    """CPU of the load generator's processes and of the managed target by second; 100 % is one core."""
    generator, target = sweep.generator, sweep.target
    strip = _lay_out(sweep.runs, generator, target)
    rows = 1 if target.empty else 2
    unseen = "; the target was not started by perflab, so its CPU is not known" if target.empty else ""
    chart, panels = canvas(
        "CPU of generator and target",
        f"100 % is one core; {_SHADED}{unseen}",
        panel_height=1.5,
        rows=rows,
        right=1.45,
        gap_y=0.35,
    )
    top, low = panels[0][0], panels[-1][0]
    sources = sorted(str(source) for source in generator.source.unique())
    for source in sources:
        line = strip.line(generator[generator.source == source], "cpu_percent")
        top.plot(*line, color=INK, linewidth=1.0, alpha=1.0 if len(sources) == 1 else 0.6)
    top.axhline(BUSY_CPU_PERCENT, color=LIMIT, linewidth=1.0, linestyle=LIMIT_DASHES)
    plain_number_axis(top, unit="generator, %", ticks=4)
    top.set_ylim(0, 1.08 * max([100.0, *generator.cpu_percent.dropna()]))
    strip.draw(top, titles=True, ticks=rows == 1)
    what = "one process" if len(sources) <= 1 else f"{len(sources)} processes"
    end_labels(top, [(BUSY_CPU_PERCENT, f"{BUSY_CPU_PERCENT:g} %: busy", LIMIT)])
    top.text(1.015, 0.1, f"generator,\n{what}", transform=top.transAxes, size=8.5, color=MUTED)
    if not target.empty:
        low.plot(*strip.line(target, "cpu_percent"), color=INK, linewidth=1.0)
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


@styled
def generator(sweep: Sweep) -> Chart:
    """By second: the achieved share of the intended load, client minus wire in ms, and the event loop's lag in ms."""
    frame, achieved = sweep.generator, achieved_load_by_second(sweep.generator)
    strip = _lay_out(sweep.runs, frame)
    chart, panels = canvas(
        "Was the generator the bottleneck?",
        "achieved load: of what its users intended; client less wire: how long answers lay unread; "
        f"loop lag: how late its event loop ran\n{_SHADED}; the highest values there are cut off",
        panel_height=1.25,
        rows=3,
        right=1.75,
        gap_y=0.3,
        head=0.45,
    )
    top, overhead, loop = (row[0] for row in panels)

    x, y = strip.line(achieved.assign(achieved_load=100 * achieved.achieved_load), "achieved_load")
    top.plot(x, y, color=INK, linewidth=1.2)
    least = 100 * (1 - MAX_SHORTFALL)
    top.axhline(least, color=LIMIT, linewidth=1.0, linestyle=LIMIT_DASHES)
    plain_number_axis(top, unit="achieved load, %", ticks=4)
    lowest = float(np.nanmin(y, initial=least))
    top.set_ylim(min(90.0, lowest - 3), 101)
    end_labels(top, [(least, f"{least:g} %: INVALID below", LIMIT)])

    # The sources of a second side by side would be a thicket: the worst of them is what spoils a figure.
    worst = worst_by_second(frame)
    for axes, middle, upper, unit, names in (
        (overhead, "client_overhead_p50_ms", "client_overhead_p99_ms", "client less wire, ms", ("median", "p99")),
        (loop, "lag_p50_ms", "lag_ms", "loop lag, ms", ("median", "worst")),
    ):
        for column, strength in ((upper, 0.35), (middle, 1.0)):
            axes.plot(*strip.line(worst, column), color=INK, alpha=strength, linewidth=1.0)
        plain_number_axis(axes, unit=unit, ticks=4)
        axes.set_ylim(top=1.15 * max([2.0, *worst.loc[worst.steady, upper], *worst[middle]], default=2.0))
        labels = [(float(worst[c].tail(60).median()), n, INK) for c, n in zip((middle, upper), names, strict=True)]
        end_labels(axes, labels if len(worst) else [], gap=0.2)
    for place, axes in enumerate((top, overhead, loop)):
        strip.draw(axes, titles=place == 0, ticks=place == 2)
    steady = achieved[achieved.steady]
    mean = f"{100 * float(steady.achieved_load.mean()):.1f} %" if len(steady) else "not recorded"
    chart.alt = f"Line charts of the load generator by second. Offered of the intended load, on average: {mean}."
    return chart


@dataclass(frozen=True, slots=True)
class _Band:
    """One run's place on the strip, in seconds."""

    run: str
    level: Level
    offset: float
    length: float
    steady_start: float
    steady_end: float


@dataclass(frozen=True, slots=True)
class _Strip:
    """The bands of a sweep in the order of their runs."""

    bands: tuple[_Band, ...]

    @property
    def length(self) -> float:
        """The whole strip in seconds, gaps included."""
        return max((band.offset + band.length for band in self.bands), default=1.0)

    def line(self, rows: DataFrame, column: str) -> NDArray[np.float64]:
        """Return x and y of one line through all runs, broken between them; `rows` has run, second and `column`."""
        pieces = [np.empty((2, 0))]
        by_run = dict(iter(rows.groupby("run", observed=True)))
        for band in self.bands:
            if band.run in by_run:
                ordered = by_run[band.run].sort_values("second")
                line = [band.offset + ordered.second.to_numpy(float), ordered[column].to_numpy(float)]
                pieces += [np.array(line), np.full((2, 1), np.nan)]
        return np.concatenate(pieces, axis=1)

    def draw(self, axes: Axes, *, titles: bool, ticks: bool) -> None:
        """Shade what is not judged, name the runs (in the top panel) and number their seconds (in the lowest)."""
        axes.set_xlim(0, self.length)
        inches, _ = size_inches(axes)
        for band in self.bands:
            for start, stop in self._unjudged(band):
                axes.axvspan(start, stop, color=SHADE, linewidth=0, zorder=0)
        for index, (level, of_level) in enumerate(groupby(self.bands, key=lambda band: band.level)):
            bands = list(of_level)
            for place, band in enumerate(bands):
                if index or place:
                    axes.axvline(band.offset, color=EDGE, linewidth=0.6 if place else 1.2, alpha=0.6 if place else 1.0)
            if titles:
                start, end = bands[0].offset, bands[-1].offset + bands[-1].length
                room = (end - start) * inches / self.length / 0.075
                runs = f", {len(bands)} runs" if len(bands) > 1 else ""
                texts = (f"{level}{runs}", f"{level}", f"{level.value}")
                text = next((text for text in texts if len(text) <= room), "")
                axes.text(
                    (start + end) / 2,
                    1.03,
                    text,
                    transform=axes.get_xaxis_transform(),
                    ha="center",
                    va="bottom",
                    color=MUTED,
                    size=8.5,
                )
        places, labels = zip(*self._ticks(), strict=True) if self.bands else ((), ())
        axes.xaxis.set_major_locator(FixedLocator(places))
        axes.xaxis.set_major_formatter(FixedFormatter(labels if ticks else [""] * len(labels)))
        if ticks:
            axes.set_xlabel(f"seconds since {'each' if len(self.bands) > 1 else 'the'} run's start")

    def _ticks(self) -> Iterator[tuple[float, str]]:
        total = sum(band.length for band in self.bands)
        step = next((step for step in _STEPS_S if total / step <= _MAX_TICKS), _STEPS_S[-1])
        for band in self.bands:
            for second in np.arange(0, max(band.length - step * 0.4, 1), step):
                yield band.offset + float(second), f"{second:g}"

    @staticmethod
    def _unjudged(band: _Band) -> Iterator[tuple[float, float]]:
        yield band.offset, band.offset + min(band.steady_start, band.length)
        if band.steady_end < band.length:
            yield band.offset + max(band.steady_end, band.steady_start), band.offset + band.length


def _lay_out(runs: DataFrame, *frames: DataFrame) -> _Strip:
    """Return the strip of `runs`; a run is as long as the last second that any of `frames` holds of it."""
    lengths: dict[str, float] = {}
    for frame in frames:
        for run, last in frame.groupby("run", observed=True).second.max().items():
            lengths[str(run)] = max(lengths.get(str(run), 0.0), float(last) + 1)
    bands, offset = [], 0.0
    for row in runs.sort_values(["level", "repeat"]).to_dict("records"):
        length = lengths.get(row["run"])
        if length is None:
            continue
        judged = bool(np.isfinite(row["window_start"]))
        bands.append(
            _Band(
                run=str(row["run"]),
                level=row["level"],
                offset=offset,
                length=length,
                steady_start=float(row["window_start"]) if judged else length,
                steady_end=float(row["window_end"]) if judged else length,
            )
        )
        offset += length
    return _Strip(tuple(bands))
