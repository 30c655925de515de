"""How the load generator did in the steady window, by run and source: was it the bottleneck?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

_MEDIANS = ("cpu_percent", "lag_p50_ms", "behind_p50_ms")
_LARGEST = ("lag_ms", "behind_p99_ms")


def health(generator: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run and source over the steady seconds of ``Sweep.generator``.

    Columns: run, source, seconds, running_users (mean), cpu_percent, lag_p50_ms, behind_p50_ms (medians of the
    seconds' figures), lag_ms, behind_p99_ms (the worst second's), lost_s (user-seconds that the generator kept its
    users waiting), offered (the share of the intended load that was offered).

    A user's cycle is its think time and the service's answer. What the generator adds to it, in seconds of all users
    together, is load that was intended and not offered: offered = 1 - lost_s / (users x seconds).
    """
    steady = generator[generator["steady"]]
    by_source = steady.groupby(["run", "source"], observed=True, sort=True)
    frame = by_source.agg(
        seconds=("second", "nunique"),
        running_users=("running_users", "mean"),
        **{name: (name, "median") for name in _MEDIANS},
        **{name: (name, "max") for name in _LARGEST},
        lost_s=("lost_s", "sum"),
        user_seconds=("running_users", "sum"),
    ).reset_index()
    frame["offered"] = _offered(frame["lost_s"], frame["user_seconds"])
    return frame.drop(columns="user_seconds")


def offered_by_run(generator: pd.DataFrame) -> Mapping[str, float]:
    """Return the share of the intended load that each run offered in its steady window, all sources together."""
    steady = generator[generator["steady"]]
    sums = steady.groupby("run", observed=True)[["lost_s", "running_users"]].sum()
    return {str(run): float(share) for run, share in _offered(sums["lost_s"], sums["running_users"]).items()}


def offered_by_second(generator: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run and second with users: run, second, steady, offered, the share of the intended load."""
    by_second = generator.groupby(["run", "second", "steady"], observed=True)[["lost_s", "running_users"]].sum()
    frame = by_second[by_second["running_users"] > 0].reset_index()
    # Time is counted when a request ends: one second can hold what several have lost.
    frame["offered"] = _offered(frame["lost_s"], frame["running_users"])
    return frame[["run", "second", "steady", "offered"]]


def _offered(lost_s: pd.Series[float], user_seconds: pd.Series[Any]) -> pd.Series[float]:
    share = 1 - lost_s / user_seconds.replace(0, np.nan)
    # Time lost in requests that began before the window may count in it.
    return share.clip(lower=0.0).fillna(1.0)
