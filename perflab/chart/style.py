"""How every chart looks: colours, type, grid, titles, number formats, and the `Chart` that shows itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Literal, ParamSpec, cast

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from perflab.vocabulary.level import Level
from perflab.vocabulary.number import thousands

INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e4e4e4"
SHADE = "#f1f1f1"
EDGE = "#b5b5b5"
LIMIT = "#222222"
LIMIT_DASHES = (0, (5, 3))

# Okabe-Ito, safe for colour-blind readers; the order keeps the pale ones for last.
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
REST = "#7a7a7a"
REST_GROUPS = frozenset({"other"})

WIDTH = 9.5
"""Width of a chart in inches: 912 CSS pixels, which fits a laptop's report column unscaled."""

# Any, because the stubs name every setting as a literal of its own.
_RC: Any = {
    "font.size": 9,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "figure.facecolor": "white",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "lines.solid_capstyle": "round",
    "xtick.color": EDGE,
    "ytick.color": EDGE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    # Text stays text: a third of the size of outlines, sharp at any zoom.
    "svg.fonttype": "none",
    "svg.hashsalt": "perflab",
}

_TICK_STEPS = [1, 2, 2.5, 5, 10]

P = ParamSpec("P")


class Chart(Figure):
    """A Figure that notebooks show as one SVG (or PNG) image with its alternative text."""

    alt: str = ""
    image: Literal["svg", "png"] = "svg"

    def to_svg(self) -> str:
        """Return the chart as an SVG document."""
        buffer = io.StringIO()
        with rc_context(_RC):
            self.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return buffer.getvalue()

    def to_png(self, dpi: int = 192) -> bytes:
        """Return the chart as PNG bytes, by default at twice the pixels of its size on screen."""
        buffer = io.BytesIO()
        with rc_context(_RC):
            self.savefig(buffer, format="png", dpi=dpi)
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, object], dict[str, object]]:
        if self.image == "png":
            size = {"width": round(self.get_figwidth() * 96), "height": round(self.get_figheight() * 96)}
            return {"image/png": self.to_png()}, {"image/png": {"alt": self.alt, **size}}
        return {"image/svg+xml": self.to_svg()}, {"image/svg+xml": {"alt": self.alt}}


def styled(draw: Callable[P, Chart]) -> Callable[P, Chart]:
    """Run a drawing function under perflab's style; matplotlib's own settings stay as they are."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Chart:
        with rc_context(_RC):
            return draw(*args, **kwargs)

    return drawn


def colours(groups: Sequence[str]) -> dict[str, str]:
    """Return each group's colour; `groups` is the sweep's whole list, so that a colour means one group everywhere."""
    named = [group for group in groups if group not in REST_GROUPS]
    palette = {group: OKABE_ITO[index % len(OKABE_ITO)] for index, group in enumerate(named)}
    return palette | dict.fromkeys(REST_GROUPS & set(groups), REST)


def tint(colour: str, strength: float) -> str:
    """Return `colour` mixed with white, `strength` of it; unlike transparency it hides what lies behind."""
    return to_hex(tuple(1 - strength * (1 - part) for part in to_rgb(colour)))  # type: ignore[arg-type]


def short(text: str, most: int = 24) -> str:
    """Return `text` cut to `most` characters, for where a long name would leave its place."""
    return text if len(text) <= most else text[: most - 1] + "…"


def limit_line(axes: Axes, limit: float, text: str, *, below: bool = False) -> None:
    """Draw an objective across `axes`, named at its left end: above the line, or `below` it where points are above."""
    axes.axhline(limit, color=LIMIT, linewidth=1.0, linestyle=LIMIT_DASHES)
    axes.annotate(
        text,
        (0.0, limit),
        xycoords=("axes fraction", "data"),
        xytext=(3, -4 if below else 4),
        textcoords="offset points",
        va="top" if below else "baseline",
        size=8,
        color=LIMIT,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        # Over the grid, under lines and points: a name covers none of them.
        zorder=1.6,
    )


def canvas(
    title: str,
    subtitle: str,
    *,
    panel_height: float,
    rows: int = 1,
    columns: int = 1,
    left: float = 0.75,
    right: float = 0.25,
    gap_x: float = 0.6,
    gap_y: float = 0.5,
    head: float = 0.3,
    share_y: bool = False,
) -> tuple[Chart, list[list[Axes]]]:
    """Return a Chart with a title and its panels by row and column; sizes in inches.

    Margins are set by hand: automatic layout draws every chart twice.
    """
    top, bottom = 0.62 + head, 0.55
    height = top + bottom + rows * panel_height + (rows - 1) * gap_y
    chart = Chart(figsize=(WIDTH, height))
    panel_width = (WIDTH - left - right - (columns - 1) * gap_x) / columns
    grid = chart.subplots(
        rows,
        columns,
        squeeze=False,
        sharey=share_y,
        gridspec_kw={
            "left": left / WIDTH,
            "right": 1 - right / WIDTH,
            "top": 1 - top / height,
            "bottom": bottom / height,
            "wspace": gap_x / panel_width,
            "hspace": gap_y / panel_height,
        },
    )
    chart.text(0.02 / WIDTH, 1 - 0.12 / height, title, size=12, weight="bold", va="top")
    chart.text(0.02 / WIDTH, 1 - 0.37 / height, subtitle, size=8.5, color=MUTED, va="top")
    panels = [list(row) for row in grid]
    for axes in (axes for row in panels for axes in row):
        axes.grid(visible=True, axis="y")
    return chart, panels


def nothing(title: str, text: str) -> Chart:
    """Return a chart that has nothing to show, and says why."""
    chart, [[axes]] = canvas(title, "", panel_height=0.3, left=0.02, head=-0.25)
    axes.set_axis_off()
    axes.text(0, 0.5, text, transform=axes.transAxes, va="center", size=9.5, color=MUTED)
    chart.alt = f"{title}: {text}"
    return chart


def number(value: float) -> str:
    """Return a figure as people read it: whole numbers as they are, others to three digits, a dash for NaN."""
    if not np.isfinite(value):
        return "\N{INFINITY}" if value > 0 else "\N{EN DASH}"
    if isinstance(value, int | np.integer) or abs(value) >= 100 or value == 0:
        return thousands(value, THIN_SPACE)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def plain_number_axis(axes: Axes, *, unit: str, ticks: int = 5) -> None:
    """A linear y axis from zero, labelled with its unit."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(ticks, steps=_TICK_STEPS, min_n_ticks=3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.set_ylabel(unit)


def latency_axis(panels: Iterable[Axes], values: Iterable[float]) -> bool:
    """Scale the panels' y axes alike for latencies in ms: from zero, or logarithmic where `values` range widely.

    Returns whether the scale is logarithmic.
    """
    finite = np.asarray([value for value in values if np.isfinite(value) and value > 0])
    low, high = (finite.min(), finite.max()) if finite.size else (1.0, 1.0)
    logarithmic = bool(high / low > 20)
    for axes in panels:
        if logarithmic:
            axes.set_yscale("log")
            axes.set_ylim(low / 1.3, high * 1.5)
            subs = (1.0, 2.0, 5.0) if high / low < 2000 else (1.0,)
            axes.yaxis.set_major_locator(LogLocator(10, subs=subs, numticks=12))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(0, high * 1.15)
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=_TICK_STEPS, min_n_ticks=3))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    return logarithmic


def level_axis(axes: Axes, levels: Iterable[Level]) -> None:
    """An x axis with a tick at each of the levels, named by what they count; logarithmic where they lie too close."""
    ordered = sorted(levels)
    values = amounts(ordered)
    span = values[-1] - values[0]
    crowded = span > 0 and min(np.diff(values)) / span < 0.08
    if crowded:
        axes.set_xscale("log")
        ratio = values[-1] / values[0]
        axes.set_xlim(values[0] / ratio**0.06, values[-1] * ratio**0.06)
    else:
        margin = 0.06 * span or max(1.0, 0.5 * values[0])
        axes.set_xlim(values[0] - margin, values[-1] + margin)
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(ordered[0].kind)


def amounts(levels: Iterable[Level]) -> list[int]:
    """Return where levels lie on their axis."""
    return [level.value for level in levels]


def size_inches(axes: Axes) -> tuple[float, float]:
    """Return the width and height of a panel in inches."""
    box, figure = axes.get_position(), cast(Figure, axes.get_figure(root=True))
    return box.width * figure.get_figwidth(), box.height * figure.get_figheight()


def end_labels(axes: Axes, labels: Iterable[tuple[float, str, str]], *, gap: float = 0.15) -> None:
    """Write texts at the right edge of `axes`, each (y in data units, text, colour), moved apart where they collide.

    `gap` is the least distance between two texts in inches.
    """
    shown = [(y, text, colour) for y, text, colour in labels if np.isfinite(y)]
    if not shown:
        return
    step = gap / size_inches(axes)[1]
    to_fraction = axes.transData + axes.transAxes.inverted()
    wanted = sorted(
        (float(to_fraction.transform((axes.get_xlim()[1], y))[1]), text, colour) for y, text, colour in shown
    )
    for place, (_, text, colour) in zip(spread([y for y, *_ in wanted], step), wanted, strict=True):
        axes.text(1.015, place, text, color=colour, transform=axes.transAxes, va="center", size=8.5)


def spread(positions: Sequence[float], step: float) -> list[float]:
    """Return ascending `positions` moved as little as need be so that neighbours are at least `step` apart."""
    blocks: list[tuple[float, int]] = []
    for position in positions:
        centre, size = position, 1
        while blocks and centre - blocks[-1][0] < step * (size + blocks[-1][1]) / 2:
            other, other_size = blocks.pop()
            centre = (centre * size + other * other_size) / (size + other_size)
            size += other_size
        blocks.append((centre, size))
    return [centre + step * (index - (size - 1) / 2) for centre, size in blocks for index in range(size)]


def _tick(value: float) -> str:
    return thousands(value, THIN_SPACE) if abs(value) >= 1000 else f"{value:g}"
