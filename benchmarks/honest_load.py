"""Up to which load is it true what perflab says? More and more users of each client, a server of known latency.

    python -m benchmarks.honest_load [--clients HttpUser,FastHttpUser] [--users 1000,2000,...] [--seconds 10] [--csv F]

The server and the generator have a core each; perflab itself stays on the server's. Users think for 1 to 3 s. The truth
is the server's own log: what its answers took that were asked for in the judged window. A step is honest if at least
95 % of the intended requests were made and perflab's p50, p95 and p99 are within 1 % or 0.5 ms of the server's. A step
that is not must be INVALID.

Linux only. A step takes about 25 s.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import perflab
from benchmarks.figures import machine, write_csv
from benchmarks.measurement_truth import GOAL_MS, GOAL_SHARE, percentile
from perflab.analyse.sweep import Sweep
from perflab.analyse.validity import MAX_SHORTFALL
from perflab.calibration.ramp import CYCLE_S
from perflab.plan.parse import parse_users

USERS = {"HttpUser": "1000,1500,2000,2300,3000", "FastHttpUser": "2000,3000,4000,4500,5000,6000"}
PERCENTILES = (50, 95, 99)
SPAWN_RATE = 500
LOCUSTFILE = """
import os, random
import gevent
from locust import {client}, between, task

os.sched_setaffinity(0, {{{core}}})


class User({client}):
    wait_time = between(1, 3)

    def on_start(self):
        # Locust starts all users of a second at once.
        gevent.sleep(random.uniform(0, 2))

    @task
    def get(self):
        self.client.get("/")
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One level. Shares are of 1, times in ms, CPU in per cent of a core; `made` counts the requests that were made
    against those that the users would make if nothing but think time and service kept them, `offered` is perflab's own
    figure. Percentiles are the server's, and `off` is by how much perflab's wire clock differs."""

    client: str
    users: int
    requests_per_s: float
    made: float
    offered: float
    p50_ms: float
    p50_off: float
    p95_ms: float
    p95_off: float
    p99_ms: float
    p99_off: float
    connections: float
    generator_cpu: float
    server_cpu: float
    validity: str

    @property
    def honest(self) -> bool:
        """Whether load and percentiles are what perflab says."""
        figures = ((self.p50_ms, self.p50_off), (self.p95_ms, self.p95_off), (self.p99_ms, self.p99_off))
        near = all(abs(off) <= max(GOAL_SHARE * truth, GOAL_MS) for truth, off in figures)
        return near and self.made >= 1 - MAX_SHORTFALL


def measure(client: str, users: Sequence[int], seconds: float, cores: tuple[int, int]) -> list[Step]:
    """Run a sweep of one client; `cores` are the server's and the generator's."""
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores[0]})
    try:
        with tempfile.TemporaryDirectory() as folder:
            log, locustfile = Path(folder, "truth.csv"), Path(folder, "locustfile.py")
            locustfile.write_text(LOCUSTFILE.format(client=client, core=cores[1]), encoding="utf-8")
            server = [sys.executable, "-m", "perflab.calibration.server", "--port", "{port}"]
            sweep = perflab.sweep(
                launch=shlex.join([*server, "--distribution", "lognormal", "--log", str(log)]),
                locustfile=locustfile,
                users=users,
                spawn_rate=SPAWN_RATE,
                duration=seconds,
                label=client,
                runs_dir=Path(folder, "runs"),
                progress="none",
                report=False,
            )
            return list(_steps(client, sweep, pd.read_csv(log)))
    finally:
        os.sched_setaffinity(0, here)


def _steps(client: str, sweep: Sweep, truth: pd.DataFrame) -> Iterator[Step]:
    steady = sweep.latency[sweep.latency["steady"]]
    health = sweep.health.set_index("run")
    server = sweep.target[sweep.target["steady"]].groupby("run", observed=True)["cpu_percent"].mean()
    generator = sweep.generator[sweep.generator["steady"]].groupby("run", observed=True)["cpu_percent"].mean()
    for run in sweep.runs.to_dict("records"):
        name, since, until = run["run"], run["window_start"], run["window_end"]
        begun = run["start"].timestamp()
        served = truth[(truth["arrived"] >= begun + since) & (truth["arrived"] < begun + until)]
        samples = steady[steady["run"] == name].groupby("measure", observed=True)
        wire = samples.get_group("wire")
        opened = samples.get_group("connect")["count"].sum() if "connect" in samples.groups else 0
        intended = run["level"].users * (until - since) / (CYCLE_S + served["drawn_ms"].mean() / 1000)
        ones = np.ones(len(served), "int64")
        figures: dict[str, float] = {}
        for q in PERCENTILES:
            figures[f"p{q}_ms"] = own = percentile(served["served_ms"], ones, q)
            figures[f"p{q}_off"] = percentile(wire["latency_ms"], wire["count"], q) - own
        yield Step(
            client=client,
            users=run["level"].users,
            requests_per_s=run["requests"] / (until - since),
            made=run["requests"] / intended,
            offered=float(health.loc[name, "achieved_load"]),
            connections=float(opened / run["requests"]),
            generator_cpu=float(generator[name]),
            server_cpu=float(server.get(name, math.nan)),
            validity=run["validity"],
            **figures,
        )


def print_steps(steps: Sequence[Step]) -> None:
    """Print a table, a line a step, and what is to be said of it."""
    print(
        f"{'':<13}{'':>6}{'':>7}{'load, %':>14}  {'server, ms, and how far off perflab is':^52}"
        f"{'connections':>12}{'CPU, %':>16}\n"
        f"{'client':<13}{'users':>6}{'req/s':>7}{'made':>7}{'perflab':>8} "
        + "".join(f"{f'p{q}':>9} {'off':>6}" + " " for q in PERCENTILES)
        + f"{'a request':>13}{'generator':>11}{'server':>7}  honest  validity"
    )
    for one in steps:
        figures = ((one.p50_ms, one.p50_off), (one.p95_ms, one.p95_off), (one.p99_ms, one.p99_off))
        print(
            f"{one.client:<13}{one.users:>6}{one.requests_per_s:>7.0f}{100 * one.made:>7.1f}{100 * one.offered:>8.1f} "
            + "".join(f"{truth:>9.1f} {off:>+6.2f} " for truth, off in figures)
            + f"{one.connections:>13.3f}{one.generator_cpu:>11.0f}{one.server_cpu:>7.0f}"
            f"  {'yes' if one.honest else 'NO':<6}  {one.validity}"
        )
    print()
    for client in dict.fromkeys(one.client for one in steps):
        honest = [one.requests_per_s for one in steps if one.client == client and one.honest]
        print(f"{client}: honest up to {max(honest, default=0):.0f} requests/s")
    wrong = [one for one in steps if not one.honest and one.validity == "valid"]
    print("not honest and not INVALID: " + (", ".join(f"{one.client} {one.users}" for one in wrong) or "none"))


def main() -> None:
    """Measure, print, and write a CSV file where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="HttpUser,FastHttpUser")
    parser.add_argument("--users", type=parse_users, help="the steps of every client, instead of its own")
    parser.add_argument("--seconds", type=float, default=10, help="steady state of each step")
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        parser.error("two cores are needed, one for the server and one for the generator")
    clients = options.clients.split(",")
    if unknown := set(clients) - set(USERS):
        parser.error(f"--clients: {', '.join(sorted(unknown))} is none of {', '.join(USERS)}")
    cores = available[0], available[1]
    print(f"{machine()}\nserver on core {cores[0]}, generator on core {cores[1]}\n")
    steps = []
    for client in clients:
        steps += measure(client, options.users or parse_users(USERS[client]), options.seconds, cores)
    print_steps(steps)
    if options.csv:
        write_csv(options.csv, [asdict(one) | {"honest": one.honest} for one in steps])


if __name__ == "__main__":
    main()
