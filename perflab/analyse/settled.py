"""Which part of a run's planned window is judged: less what is not steady at its front, if the rest is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from perflab.analyse.assemble import endpoint_pairs
from perflab.analyse.steady import SteadyPart, find_steady, second_by_second
from perflab.analyse.summary import Bools
from perflab.analyse.window import whole_seconds
from perflab.store.manifest import RunManifest, Window


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """The window that is judged, None without one, and what was found about its steadiness."""

    window: Window | None
    part: SteadyPart | None

    @property
    def unsteady(self) -> str:
        """Why no part of it is steady; empty if one is, or if it was too short to look."""
        return self.part.reason if self.part is not None and not self.part.found else ""

    @property
    def wanders(self) -> bool:
        """Whether, though no part is steady, latency did no more than take other levels for a while."""
        return self.part is not None and self.part.wanders

    @property
    def remark(self) -> str:
        """What is worth knowing about a window that is judged all the same."""
        return self.part.reason if self.part is not None and self.part.found else ""


def judged_window(manifest: RunManifest, latency: pd.DataFrame) -> JudgedWindow:
    """Return the window of a run to judge, from its plan and the rows of its latency.csv."""
    planned = whole_seconds(manifest.window)
    if manifest.window is None or not planned or manifest.status != "complete":
        return JudgedWindow(manifest.window, None)
    ok, client = _is(latency["outcome"], "ok"), _is(latency["measure"], "client")
    on_wire = _is(latency["measure"], "wire", "stand_in") & ok
    # One row a request: of a successful one its judged clock, of a failed one the only clock that it has.
    rows = (on_wire | (client & ~ok)) if on_wire.any() else client
    second = latency["second"].to_numpy()
    rows = rows & (second >= planned.start) & (second < planned.stop)
    # Run by run, so without a frame of the chosen rows.
    series = second_by_second(
        second[rows].astype("int64"),
        endpoint_pairs(latency)[rows],
        latency["latency_ms"].to_numpy()[rows],
        latency["count"].to_numpy()[rows],
        ok[rows],
        planned,
    )
    part = find_steady(series.requests, series.latency, series.slow)
    window = Window(start=planned.start + part.start, end=planned.stop) if part.start else manifest.window
    return JudgedWindow(window, part)


def _is(column: pd.Series[str], *values: str) -> Bools:
    """Return which rows of a categorical column have one of the values; each value is looked up once."""
    accessor = column.cat
    found: Bools = np.array([category in values for category in accessor.categories], "bool")[accessor.codes.to_numpy()]
    return found
