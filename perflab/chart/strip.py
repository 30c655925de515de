"""Runs laid side by side on one time axis, each with its own seconds, its ramp-up shaded and its users named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray
from pandas import DataFrame

from perflab.chart.style import EDGE, MUTED, SHADE, size_inches

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_MOST_TICKS = 22


@dataclass(frozen=True, slots=True)
class Band:
    """One run's place on the strip, in seconds."""

    run: str
    users: int
    offset: float
    length: float
    steady_start: float
    steady_end: float


@dataclass(frozen=True, slots=True)
class Strip:
    """The bands of a sweep in the order of their runs."""

    bands: tuple[Band, ...]

    @property
    def length(self) -> float:
        """The whole strip in seconds, gaps included."""
        return max((band.offset + band.length for band in self.bands), default=1.0)

    def line(self, rows: DataFrame, column: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of one line through all runs, broken between them; `rows` has run, second and `column`."""
        pieces_x: list[NDArray[np.float64]] = []
        pieces_y: list[NDArray[np.float64]] = []
        gap = np.full(1, np.nan)
        by_run = dict(iter(rows.groupby("run", observed=True)))
        for band in self.bands:
            if band.run in by_run:
                ordered = by_run[band.run].sort_values("second")
                pieces_x += [band.offset + ordered.second.to_numpy(float), gap]
                pieces_y += [ordered[column].to_numpy(float), gap]
        empty = np.empty(0)
        return (np.concatenate(pieces_x), np.concatenate(pieces_y)) if pieces_x else (empty, empty)

    def draw(self, axes: Axes, *, titles: bool, ticks: bool) -> None:
        """Shade what is not judged, name the runs (in the top panel) and number their seconds (in the lowest)."""
        axes.set_xlim(0, self.length)
        inches, _ = size_inches(axes)
        for band in self.bands:
            for start, stop in self._unjudged(band):
                axes.axvspan(start, stop, color=SHADE, linewidth=0, zorder=0)
        for index, (users, level) in enumerate(groupby(self.bands, key=lambda band: band.users)):
            bands = list(level)
            for place, band in enumerate(bands):
                if index or place:
                    axes.axvline(band.offset, color=EDGE, linewidth=0.6 if place else 1.2, alpha=0.6 if place else 1.0)
            if titles:
                start, end = bands[0].offset, bands[-1].offset + bands[-1].length
                room = (end - start) * inches / self.length / 0.075
                runs = f", {len(bands)} runs" if len(bands) > 1 else ""
                text = next((t for t in (f"{users} users{runs}", f"{users} users", f"{users}") if len(t) <= room), "")
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
        step = next((step for step in _STEPS_S if total / step <= _MOST_TICKS), _STEPS_S[-1])
        for band in self.bands:
            for second in np.arange(0, max(band.length - step * 0.4, 1), step):
                yield band.offset + float(second), f"{second:g}"

    @staticmethod
    def _unjudged(band: Band) -> Iterator[tuple[float, float]]:
        yield band.offset, band.offset + min(band.steady_start, band.length)
        if band.steady_end < band.length:
            yield band.offset + max(band.steady_end, band.steady_start), band.offset + band.length


def lay_out(runs: DataFrame, *frames: DataFrame) -> Strip:
    """Return the strip of `runs`; a run is as long as the last second that any of `frames` holds of it."""
    lengths: dict[str, float] = {}
    for frame in frames:
        for run, last in frame.groupby("run", observed=True).second.max().items():
            lengths[str(run)] = max(lengths.get(str(run), 0.0), float(last) + 1)
    bands, offset = [], 0.0
    for row in runs.sort_values(["users", "repeat"]).to_dict("records"):
        length = lengths.get(row["run"])
        if length is None:
            continue
        judged = bool(np.isfinite(row["window_start"]))
        bands.append(
            Band(
                run=str(row["run"]),
                users=int(row["users"]),
                offset=offset,
                length=length,
                steady_start=float(row["window_start"]) if judged else length,
                steady_end=float(row["window_end"]) if judged else length,
            )
        )
        offset += length
    return Strip(tuple(bands))
