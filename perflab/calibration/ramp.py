"""One ramp: a client and a number of processes take on users until they can't keep the load up any more."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import psutil

from perflab.analyse.reading import GENERATOR, LATENCY, TARGET, read_table
from perflab.calibration.steps import Tables, measure_steps
from perflab.drive.events import Watcher
from perflab.drive.run import Lane, execute_run
from perflab.drive.tail import RunTail
from perflab.drive.target import Target, open_target
from perflab.errors import PerflabError
from perflab.plan.plan import Plan
from perflab.store.layout import RunDir
from perflab.store.manifest import RunManifest, read_manifest
from perflab.store.recorder_protocol import RunState
from perflab.vocabulary.measure import CLIENT

# By path: only Locust itself may import what lives inside Locust.
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
SHORTEST_THINK_S, MAX_THINK_S = 1.0, 3.0
# From one request of a user to its next: the mean think time; the answer's 0.05 s hardly count.
CYCLE_S = (SHORTEST_THINK_S + MAX_THINK_S) / 2

# Enough users without think time to keep the generator's processes busy, whose answers take 50 ms; more than a
# thousand would only wait for the server.
PROBE_USERS, MAX_PROBE_USERS = 500, 1000
PROBE_SPAWN_RATE = 400.0
PROBE_S = 2.0
SETTLE_S = 1.0

RAMP_S = 20.0
"""Seconds in which a ramp gets to as many requests/s as the generator made without think time."""
# As far as a ramp goes on beyond that, if it comes so far.
BEYOND = 1.5
# A user is a connection, and this machine has 28 000 ports for them.
MAX_USERS = 20_000
# A ramp is over once the load falls this far behind, over this many seconds: there is nothing to be found beyond.
LOST_SHARE = 0.15
LOST_OVER_S = 3
# The start of Locust is no sign of saturation.
MIN_S = 6
SAY_EVERY_S = 5

Say = Callable[[str], None]


class _Saturated(Exception):  # noqa: N818 - it ends a ramp, and is no error
    """The generator is clearly beyond its limit."""


def climb(client: str, processes: int, *, seconds: float, folder: Path, say: Say) -> pd.DataFrame:
    """Run a probe and a ramp in `folder`, which is empty; return the ramp's steps, see `measure_steps`.

    `seconds` is how long the ramp takes to the probe's requests/s. Raises PerflabError when Locust can't run.
    """
    log = folder / "truth.csv"
    environment = _environment(client)
    probe_users = min(PROBE_USERS * processes, MAX_PROBE_USERS)
    plan = _plan(log, processes, users=probe_users, spawn_rate=PROBE_SPAWN_RATE, duration_s=PROBE_S)
    ramp = RunDir(folder / "ramp")
    with open_target(plan, environment, folder) as target:
        most = _probe(plan, target, RunDir(folder / "probe"), environment)
        rate = most * CYCLE_S / seconds
        say(f"{most:.0f} requests/s without think time; now with it, adding {rate:.0f} users/s")
        users = min(MAX_USERS, max(1, math.ceil(rate * seconds * BEYOND)))
        plan = _plan(log, processes, users=users, spawn_rate=rate, duration_s=1.0)
        watcher = _Watcher(say)
        with contextlib.suppress(_Saturated):
            think = f"{SHORTEST_THINK_S:g},{MAX_THINK_S:g}"
            _run(plan, target, ramp, {**environment, "PERFLAB_CALIBRATE_THINK": think}, watcher)
    # The server has written the rest of its log by now.
    return measure_steps(_read(ramp, log, watcher.machine_cores))


def _environment(client: str) -> dict[str, str]:
    # Settings for Locust and for the person's own load tests must not change what is found.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "LOAD_TEST_"))}
    return {**kept, "PERFLAB_CALIBRATE_CLIENT": client, "PERFLAB_CALIBRATE_THINK": "0,0"}


def _plan(log: Path, processes: int, *, users: int, spawn_rate: float, duration_s: float) -> Plan:
    server = [sys.executable, "-m", "perflab.calibration.server", "--port", "{port}", "--distribution", "lognormal"]
    return Plan(
        host=None,
        launch=shlex.join([*server, "--log", str(log)]),
        locustfile=LOCUSTFILE,
        folder=log.parent,
        users=(users,),
        spawn_rate=spawn_rate,
        duration_s=duration_s,
        settle_s=SETTLE_S,
        processes=processes,
        timeout_s=1.0,
        label="calibration",
    )


def _probe(plan: Plan, target: Target, run: RunDir, environment: Mapping[str, str]) -> float:
    """Return how many requests/s the generator makes when its users don't think."""
    done = _run(plan, target, run, environment, lambda *_: None)
    latency = read_table(run.latency, LATENCY).frame
    window = done.window
    made = latency[latency["measure"] == CLIENT]
    within = made[(made["second"] >= window.start) & (made["second"] < window.end)] if window else made.iloc[:0]
    requests = int(within["count"].sum())
    if window is None or not requests:
        raise PerflabError("the calibration could not load its own server: no requests")
    return requests / window.length_s


def _run(
    plan: Plan,
    target: Target,
    run: RunDir,
    environment: Mapping[str, str],
    watch: Watcher,
) -> RunManifest:
    manifest = RunManifest(sweep_id="calibration", level=plan.levels[0], repeat=1, plan=plan, seed=plan.seed)
    [done] = execute_run([Lane(run, manifest, target, plan)], environment, watch)
    # Of a run that was cut short, or had nobody to answer it, no limit can be told.
    if done.status != "complete" or done.evidence.target_lost:
        raise PerflabError(f"the calibration could not load its own server: {done.evidence.error or 'it was lost'}")
    return done


class _Watcher:
    """Follows a ramp second by second, and ends it by `_Saturated`."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._asked = 0
        self.machine_cores: dict[int, float] = {}
        """By second of the run."""
        psutil.cpu_percent()

    def __call__(self, tail: RunTail, state: RunState | None) -> None:
        used = psutil.cpu_percent() / 100 * (os.cpu_count() or 1)
        if state is None or state.start is None:
            return
        self.machine_cores[int(time.time() - state.start) - 1] = used
        achieved = tail.achieved_load(LOST_OVER_S) if tail.seconds >= MIN_S else 1.0
        self._asked += 1
        if self._asked % SAY_EVERY_S == 0:
            rps, _ = tail.recent(2)
            self._say(f"{tail.users} users, {rps:.0f} requests/s, {100 * achieved:.0f} % of the intended load")
        if achieved < 1 - LOST_SHARE:
            raise _Saturated


def _read(run: RunDir, log: Path, machine_cores: Mapping[int, float]) -> Tables:
    start = read_manifest(run.manifest, RunManifest).start
    if start is None:
        raise PerflabError("the calibration's ramp never began")
    truth = pd.read_csv(log)
    # Earlier ones are the probe's.
    truth = truth[truth["arrived"] >= start.timestamp()]
    target = read_table(run.target, TARGET).frame
    server = target.set_index("second")["cpu_percent"] / 100
    cores = pd.DataFrame({"server": server, "machine": pd.Series(machine_cores, dtype="float64")})
    return Tables(
        latency=read_table(run.latency, LATENCY).frame,
        generator=read_table(run.generator, GENERATOR).frame,
        truth=truth.assign(second=(truth["arrived"] - start.timestamp()).astype("int64")),
        cores=cores.rename_axis("second").reset_index(),
    )
