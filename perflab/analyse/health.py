"""How the load generator did in the steady window, by run and source: was it the bottleneck?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.validity import BUSY_CPU_PERCENT, BUSY_LAG_MS, SourceHealth

_MEDIANS = ("cpu_percent", "lag_p50_ms", "client_overhead_p50_ms")
_LARGEST = ("lag_ms", "client_overhead_p99_ms")


def health(generator: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and source over the steady seconds of ``Sweep.generator``.

    Columns: run, source, seconds, users (mean), cpu_percent, lag_p50_ms, client_overhead_p50_ms (medians of the
    seconds' figures), lag_ms, client_overhead_p99_ms (the worst second's), lost_s (user-seconds that the generator kept
    its users waiting), client_waits_s (user-seconds that their own clients waited), achieved_load (the share of
    the intended load that was achieved).

    A user's cycle is its think time, the service's answer, and what its client makes of it. The time that it waits for
    the generator, in seconds of all users together, is load that was intended and not achieved:
    achieved_load = 1 - lost_s / (users x seconds).
    """
    steady = _steady(generator)
    by_source = steady.groupby(["run", "source"], observed=True, sort=True)
    frame = by_source.agg(
        seconds=("second", "nunique"),
        users=("users", "mean"),
        **{name: (name, "median") for name in _MEDIANS},
        **{name: (name, "max") for name in _LARGEST},
        lost_s=("lost_s", "sum"),
        client_waits_s=("client_waits_s", "sum"),
        user_seconds=("user_seconds", "sum"),
    ).reset_index()
    frame["achieved_load"] = _achieved_load(frame["lost_s"], frame["user_seconds"])
    return frame.drop(columns="user_seconds")


@dataclass(frozen=True, slots=True)
class GeneratorHealth:
    """The share of the intended load that a run achieved in its steady window: all sources together, and each one."""

    achieved_load: float
    sources: Sequence[SourceHealth]


UNKNOWN = GeneratorHealth(1.0, ())
"""Of a run without a second of a steady window."""


def health_by_run(generator: pd.DataFrame) -> Mapping[str, GeneratorHealth]:
    """Return how the generator of each run did in its steady window."""
    sums = _steady(generator).groupby("run", observed=True)[["lost_s", "user_seconds"]].sum()
    sources: dict[str, list[SourceHealth]] = {}
    for row in health(generator).to_dict("records"):
        figures = (row[name] for name in ("cpu_percent", "lag_ms", "achieved_load"))
        sources.setdefault(str(row["run"]), []).append(SourceHealth(str(row["source"]), *figures))
    achieved_load = _achieved_load(sums["lost_s"], sums["user_seconds"])
    return {str(run): GeneratorHealth(float(share), sources[str(run)]) for run, share in achieved_load.items()}


def client_waits_by_run(generator: pd.DataFrame) -> Mapping[str, tuple[float, float]]:
    """Return how long the clients of each run waited by their own will in its steady window: (s, share of users' time).

    Of an earlier recorder's run it is not known, and 0.
    """
    sums = _steady(generator).groupby("run", observed=True)[["client_waits_s", "user_seconds"]].sum()
    shares = sums["client_waits_s"] / sums["user_seconds"].replace(0, np.nan)
    return {
        str(run): (float(waits), float(share))
        for run, waits, share in zip(sums.index, sums["client_waits_s"], shares.fillna(0.0), strict=True)
    }


def achieved_load_by_second(generator: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and second with users: run, second, steady, achieved_load (share of the intended)."""
    counted = _counted(generator)
    by_second = counted.groupby(["run", "second", "steady"], observed=True)[["lost_s", "user_seconds"]].sum()
    frame = by_second[by_second["user_seconds"] > 0].reset_index()
    # Time is counted when a request ends: one second can hold what several have lost.
    frame["achieved_load"] = _achieved_load(frame["lost_s"], frame["user_seconds"])
    return frame[["run", "second", "steady", "achieved_load"]]


def worst_by_second(generator: pd.DataFrame) -> pd.DataFrame:
    """Return one row per run and second: the largest of each figure among the sources of ``Sweep.generator``."""
    return generator.groupby(["run", "second"], observed=True).max(numeric_only=True).reset_index()


def _steady(generator: pd.DataFrame) -> pd.DataFrame:
    counted = _counted(generator)
    return counted[counted["steady"]]


def _counted(generator: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the time that counts as lost, and `user_seconds`, the time that it was lost of."""
    # Earlier recorders could not tell the wait for the generator from what a client does anyway, on an idle machine
    # too. What they saw counts only where the generator was busy.
    busy = (generator["cpu_percent"] >= BUSY_CPU_PERCENT) | (generator["lag_p50_ms"] >= BUSY_LAG_MS)
    told_apart = generator["client_waits_s"].notna()
    # Where a process got round to nothing for some seconds, earlier recorders wrote no rows of them: the next one is of
    # all, and it is not known which of them lay in the window.
    covered = generator.groupby(["run", "source"], observed=True)["second"].diff().fillna(1).clip(lower=1)
    return generator.assign(
        lost_s=generator["lost_s"].where(told_apart | busy, 0.0), user_seconds=generator["users"] * covered
    )


def _achieved_load(lost_s: pd.Series[float], user_seconds: pd.Series[Any]) -> pd.Series[float]:
    share = 1 - lost_s / user_seconds.replace(0, np.nan)
    # Time lost in requests that began before the window may count in it.
    return share.clip(lower=0.0).fillna(1.0)
