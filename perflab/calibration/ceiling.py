"""From the steps of a ramp to its ceiling: the last load before the measurement stopped being true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from perflab.analyse.validity import MAX_SHORTFALL
from perflab.calibration.steps import PERCENTILES, tolerance_ms

# One step beyond a limit may be a hiccup of the machine.
SUSTAINED = 2
# The server runs in one core; from here on it is what holds the load back, not the generator.
BUSY_SERVER_CORES = 0.9

LOAD, SERVER = "achieved load", "the calibration's own server"


@dataclass(frozen=True, slots=True)
class Limit:
    """The highest load that held. `limited_by` says which limit came next; None if the ramp ended before one did.

    With `at_least`, the generator can do more than was seen.
    """

    users: int
    requests_per_s: float
    at_least: bool
    limited_by: str | None


def find_ceiling(steps: pd.DataFrame) -> Limit:
    """Return the last step's load before the first two in a row that broke a limit; 0 users if there is none.

    `steps` are those of `perflab.calibration.steps.measure_steps`, in the order of the ramp. The last step of all
    counts as two: nothing after it shows that the machine recovered.
    """
    broken = [_broken(step) for _, step in steps.iterrows()]
    first = next(
        (at for at, limit in enumerate(broken) if limit and all(broken[at : at + SUSTAINED])),
        len(broken),
    )
    users, requests_per_s = (0, 0.0)
    if first:
        last = steps.iloc[first - 1]
        users, requests_per_s = int(last["users"]), round(float(last["requests_per_s"]), 1)
    if first == len(broken):
        return Limit(users, requests_per_s, at_least=True, limited_by=None)
    if steps["server_cores"].iloc[first] >= BUSY_SERVER_CORES:
        return Limit(users, requests_per_s, at_least=True, limited_by=SERVER)
    return Limit(users, requests_per_s, at_least=False, limited_by=broken[first])


def _broken(step: pd.Series[float]) -> str | None:
    """Return which limit a step breaks, the load's first."""
    if step["achieved_load"] < 1 - MAX_SHORTFALL:
        return LOAD
    for name in PERCENTILES:
        drawn, wire = step[f"drawn_{name}_ms"], step[f"wire_{name}_ms"]
        if np.isfinite(drawn) and abs(wire - drawn) >= tolerance_ms(np.asarray(drawn)):
            return f"error of {name}"
    return None
