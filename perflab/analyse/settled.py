"""Which part of a run's planned window is judged: less what is not steady at its front, if the rest is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from perflab.analyse.assemble import endpoint_pairs
from perflab.analyse.clocks import has_value, judged_rows
from perflab.analyse.steady import SteadyPart, find_steady, second_by_second
from perflab.analyse.window import whole_seconds
from perflab.store.manifest import RunManifest, Window
from perflab.vocabulary.measure import CLIENT


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
    # A request without a latency is counted all the same.
    timed = latency["latency_ms"].notna().to_numpy()
    second = latency["second"].to_numpy()
    within = (second >= planned.start) & (second < planned.stop)
    endpoint = endpoint_pairs(latency)
    ok = has_value(latency["outcome"], "ok")
    # One row a request: of a successful one its judged clock, of a failed one the only clock that it always has.
    others = within & ~(ok & timed) & has_value(latency["measure"], CLIENT)
    rows = others | judged_rows(latency, endpoint, int(endpoint.max(initial=0)) + 1, within)
    # Run by run, so without a frame of the chosen rows.
    series = second_by_second(
        second[rows].astype("int64"),
        endpoint[rows],
        latency["latency_ms"].to_numpy()[rows],
        latency["count"].to_numpy()[rows],
        (ok & timed)[rows],
        planned,
    )
    part = find_steady(series.requests, series.latency, series.slow)
    window = Window(start=planned.start + part.start, end=planned.stop) if part.start else manifest.window
    return JudgedWindow(window, part)
