"""The tables of a ramp, cut into steps, and its ceiling.

Each step is a measurement at a higher load, held against what the server drew. The ceiling is the last load before the
measurement stopped being true.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.summary import Floats, Ints, SortedSamples
from perflab.analyse.validity import MAX_SHORTFALL
from perflab.vocabulary.measure import CLIENT, WIRE

# Long enough that a step holds a few requests above its p99, short enough that few users come on in it.
STEP_S = 2
PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
# What the wire clock is to keep to: 1 % of the drawn percentile, or half a millisecond where that is more.
MAX_ERROR = 0.01
MAX_ERROR_MS = 0.5
# One step beyond a limit may be a hiccup of the machine.
SUSTAINED = 2
# The server runs in one core; from here on it is what holds the load back, not the generator.
BUSY_SERVER_CORES = 0.9

LOAD, SERVER = "achieved load", "the calibration's own server"


@dataclass(frozen=True, slots=True)
class Tables:
    """What a ramp left; `second` counts from its start.

    `latency` and `generator` are the run's CSV files, `truth` has second and drawn_ms of each request that reached
    the server, `cores` has second, server (cores that it used) and machine (cores that all processes used).
    """

    latency: pd.DataFrame
    generator: pd.DataFrame
    truth: pd.DataFrame
    cores: pd.DataFrame


def measure_steps(tables: Tables) -> pd.DataFrame:
    """Return a row a step of `STEP_S` seconds, in the order of the ramp.

    Columns: second (the step's first), users (mean), requests_per_s (begun), achieved_load (the share of the intended
    load), generator_cores, server_cores, other_cores (what each used, 1 is a core; others are all processes but
    Locust's and the server's), and drawn_p50_ms, wire_p50_ms and so on for p95 and p99, NaN where they can't be
    compared.

    The first step is left out, because connections and code are cold in it, and so is what is not a whole step at the
    end.
    """
    generator = tables.generator
    steps = int(generator["second"].max() + 1) // STEP_S if len(generator) else 0
    # Before the first second of the run only other requests reached the server: those of another run.
    sums = _sums(generator, ["users", "lost_s", "cpu_percent"], steps)
    server, machine = (_means(tables.cores, name, steps) for name in ("server", "machine"))
    frame = pd.DataFrame({"second": np.arange(steps) * STEP_S, "users": sums["users"] / STEP_S})
    client = tables.latency[tables.latency["measure"] == CLIENT]
    frame["requests_per_s"] = _sums(client, ["count"], steps)["count"] / STEP_S
    with np.errstate(divide="ignore", invalid="ignore"):
        frame["achieved_load"] = np.clip(1 - sums["lost_s"] / sums["users"], 0.0, 1.0)
    frame["generator_cores"] = sums["cpu_percent"] / 100 / STEP_S
    frame["server_cores"] = server
    frame["other_cores"] = np.clip(machine - server - frame["generator_cores"], 0.0, None)
    frame = _with_percentiles(frame, tables, steps).iloc[1:]
    # Users only come on, until the run is ended.
    rising = (frame["users"] > 0) & (frame["users"] >= frame["users"].cummax())
    return frame[rising].reset_index(drop=True)


def _with_percentiles(frame: pd.DataFrame, tables: Tables, steps: int) -> pd.DataFrame:
    latency, truth = tables.latency, tables.truth
    wire = latency[(latency["measure"] == WIRE) & (latency["outcome"] == "ok")]
    measured = _sorted(wire, wire["latency_ms"], wire["count"], steps)
    drawn = _sorted(truth, truth["drawn_ms"], pd.Series(1, index=truth.index), steps)
    # A request that begins in one step and reaches the server in the next counts in different ones here and there: as
    # many at the end of each step, with those at its beginning in it or lacking.
    between = np.cumsum(measured.samples - drawn.samples)
    apart = np.abs(between) + np.abs(np.concatenate(([0], between[:-1])))
    for name, q in PERCENTILES.items():
        truth_ms = drawn.percentile(q)
        # When a request was made says nothing about what the server drew for it, so these requests are a random sample;
        # they shift the percentile by so many ranks at the most (two standard deviations).
        ranks = np.round(2 * np.sqrt(apart * q * (1 - q))).astype("int64")
        least, most = (_around(drawn, q, shift) for shift in (-ranks, ranks))
        comparable = most - least <= tolerance_ms(truth_ms)
        frame[f"drawn_{name}_ms"] = np.where(comparable, truth_ms, np.nan)
        frame[f"wire_{name}_ms"] = np.where(comparable, measured.percentile(q), np.nan)
    return frame


def tolerance_ms(drawn_ms: Floats) -> Floats:
    """Return by how much the wire clock may be off a drawn percentile; both in ms."""
    return np.maximum(MAX_ERROR * drawn_ms, MAX_ERROR_MS)


def _around(samples: SortedSamples, q: float, shift: Ints) -> Floats:
    """Return each step's percentile, `shift` ranks away; infinite where there is no such rank."""
    found = np.full(len(shift), np.nan)
    for at, (requests, by) in enumerate(zip(samples.samples, shift, strict=True)):
        rank = max(1, math.ceil(q * requests)) + by
        found[at] = samples.cell(at).at_rank(int(rank)) if 1 <= rank <= requests else math.copysign(math.inf, by)
    return found


def _sorted(frame: pd.DataFrame, values: pd.Series[Any], counts: pd.Series[Any], steps: int) -> SortedSamples:
    step = (frame["second"] // STEP_S).to_numpy("int64")
    inside = (step >= 0) & (step < steps)
    return SortedSamples(
        step[inside], values.to_numpy("float64")[inside], counts.to_numpy("int64")[inside], cells=steps
    )


def _sums(frame: pd.DataFrame, columns: list[str], steps: int) -> dict[str, np.ndarray[Any, Any]]:
    sums = frame.groupby(frame["second"] // STEP_S)[columns].sum().reindex(range(steps), fill_value=0)
    return {column: sums[column].to_numpy("float64") for column in columns}


def _means(frame: pd.DataFrame, column: str, steps: int) -> np.ndarray[Any, Any]:
    means = frame.groupby(frame["second"] // STEP_S)[column].mean()
    return means.reindex(range(steps)).ffill().bfill().fillna(0.0).to_numpy("float64")


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

    `steps` are those of `measure_steps`. The last step of all counts as two: nothing after it shows that the machine
    recovered.
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
