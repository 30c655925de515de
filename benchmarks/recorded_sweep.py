"""Writes a sweep as the recorder would have recorded it, without a load test: for benchmarks and tests.

Requests follow the Platform API's mix, latencies are lognormal and grow with the load, users ramp up first. The
files are written by perflab.store's own writers.

    python -m benchmarks.recorded_sweep runs --users 100,250,500,1000 --seconds 300
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from perflab.analyse.summary import Floats
from perflab.plan.objectives import Objectives, load_objectives
from perflab.plan.parse import parse_users
from perflab.plan.plan import SETTLE_S, Plan
from perflab.store.layout import RunDir, SweepDir, create_sweep
from perflab.store.manifest import (
    Evidence,
    RunManifest,
    SourceEvidence,
    SweepManifest,
    TargetInfo,
    Window,
    write_manifest,
)
from perflab.store.tables import (
    FAILURE_COLUMNS,
    GENERATOR_COLUMNS,
    LATENCY_COLUMNS,
    TARGET_COLUMNS,
    TableWriter,
    bucket_middle,
    bucket_of,
    create_table,
)
from perflab.vocabulary.level import Level
from perflab.vocabulary.measure import CLIENT, FALLBACK, WIRE

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
OUTCOMES = ((500, "http_500", "Internal Server Error"), (503, "http_503", "Service Unavailable"))
VERSIONS = {"python": "3.11.7", "perflab": "0.1.0", "locust": "2.47.0"}
ENVIRONMENT: dict[str, Any] = {
    "system": "Linux 6.18.5",
    "architecture": "x86_64",
    "processor": "AMD EPYC",
    "cores": 2,
    "memory_gb": 8.2,
    "versions": VERSIONS,
    "variables": {},
    "git_commit": "3a7bd3e2360a3d29eea436fcfb7e44c735d117c4",
}
SUITE = {
    "locustfile": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "users": {"PlatformUser": {"weight": 1, "fixed_count": 0, "tasks": {"browse": 3, "pay": 1}}},
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of the mix: its share of requests and its latency's median in ms without load."""

    method: str
    name: str
    weight: float
    median_ms: float


ENDPOINTS = (
    Endpoint("GET", "/health", 5, 2.0),
    Endpoint("POST", "/api/v1/auth/register", 5, 35.0),
    Endpoint("POST", "/api/v1/auth/login", 15, 30.0),
    Endpoint("POST", "/api/v1/generation/create", 20, 12.0),
    Endpoint("GET", "/api/v1/generation/list", 15, 9.0),
    Endpoint("GET", "/api/v1/generation/{id}", 20, 5.0),
    Endpoint("POST", "/api/v1/payments/create", 12, 14.0),
    Endpoint("GET", "/api/v1/payments", 8, 8.0),
)


@dataclass(frozen=True, slots=True)
class Load:
    """How a recorded sweep looks. Times in seconds, rates in requests per second and user."""

    users: tuple[int, ...] = (100, 250, 500, 1000)
    repeats: int = 1
    seconds: int = 300
    spawn_rate: float = 10.0
    per_user: float = 0.9
    failure_rate: float = 0.002
    sources: tuple[str, ...] = ("local",)
    wire: bool = False
    seed: int = 1
    slowdown: Mapping[str, float] = field(default_factory=dict)
    """Factors of latency by group of endpoints, such as payments=1.2."""
    run_cv: float = 0.0
    """How much runs differ, as a standard deviation of log latency; half of its variance is shared by all groups."""
    system: int = 0
    """Sweeps of another number have other run effects and requests, of the same seed."""

    def ramp_s(self, users: int) -> int:
        """Return the seconds before the steady window: all users spawned and settled."""
        return int(np.ceil(users / self.spawn_rate + SETTLE_S))


def platform_objectives() -> Objectives:
    """Return the Platform API suite's objectives with the values of its file."""
    return load_objectives(ROOT / "load_tests" / "objectives.toml", {})


def write_recorded_sweep(
    runs_dir: Path, load: Load | None = None, objectives: Objectives | None = None, label: str = "recorded"
) -> SweepDir:
    """Write a complete sweep under `runs_dir` and return its folder."""
    load = load or Load()
    sweep = create_sweep(runs_dir, label, START)
    plan = Plan(
        host=None,
        launch="python -m load_tests.platform_api --port {port}",
        locustfile=Path("load_tests/locustfile.py"),
        users=load.users,
        spawn_rate=load.spawn_rate,
        duration_s=load.seconds,
        repeats=load.repeats,
        seed=load.seed,
        label=label,
    )
    write_manifest(
        sweep.manifest,
        SweepManifest(
            id=sweep.id,
            label=label,
            created=START,
            plan=plan,
            objectives=platform_objectives() if objectives is None else objectives,
            target=TargetInfo(host="http://127.0.0.1:8000", managed=True),
            environment=ENVIRONMENT,
            status="complete",
        ),
    )
    start = START
    for level in plan.levels:
        for repeat in range(1, load.repeats + 1):
            run = sweep.run(level, repeat)
            run.path.mkdir()
            start = _write_run(run, sweep.id, plan, load, level, repeat, start)
    return sweep


def _write_run(
    run: RunDir, sweep_id: str, plan: Plan, load: Load, level: Level, repeat: int, start: datetime
) -> datetime:
    users = level.users
    rng = np.random.default_rng([load.seed, users, repeat, *([load.system] if load.system else [])])
    medians = _medians(load, users, repeat)
    ramp = load.ramp_s(users)
    length = ramp + load.seconds
    running = np.minimum((np.arange(length) + 1) * load.spawn_rate, users).astype(int)
    tables = (
        (run.latency, LATENCY_COLUMNS),
        (run.generator, GENERATOR_COLUMNS),
        (run.target, TARGET_COLUMNS),
        (run.failures, FAILURE_COLUMNS),
    )
    for path, columns in tables:
        create_table(path, columns)
    latency, generator, target, failures = (TableWriter(path) for path, _ in tables)
    recorded = 0
    for second in range(length):
        requests = int(rng.poisson(load.per_user * running[second]))
        recorded += requests
        samples, failed = _second(rng, second, requests, running[second], load, medians)
        latency.append(samples)
        failures.append(failed)
        busy = running[second] * 0.05
        generator.append(
            (
                *(second, source, running[second] // len(load.sources), int(rng.poisson(3))),
                *(round(float(rng.normal(8 + busy, 2)), 1), round(float(rng.gamma(2, 0.3)), 2), 90.5),
                *(running[second] // len(load.sources), 0.1, 0.3, 0.5, 2.1, 0.02, 0.0),
            )
            for source in load.sources
        )
        target.append([(second, round(float(rng.normal(10 + 2 * busy, 3)), 1), 140.2)])
    for table in (latency, generator, target, failures):
        table.close()
    end = start + timedelta(seconds=length)
    write_manifest(
        run.manifest,
        RunManifest(
            sweep_id=sweep_id,
            level=level,
            repeat=repeat,
            plan=plan,
            seed=load.seed,
            status="complete",
            start=start,
            end=end,
            window=Window(start=ramp, end=length),
            evidence=Evidence(
                users_reached=users,
                requests_recorded=recorded,
                requests_finished=recorded,
                locust_finished=recorded,
                locust_total=recorded,
                locust_exit_code=0,
                sources={"local": SourceEvidence(requests_recorded=recorded, requests_finished=recorded)},
            ),
            suite=SUITE,
            versions=VERSIONS,
            git_commit=ENVIRONMENT["git_commit"],
        ),
    )
    return end


def _medians(load: Load, users: int, repeat: int) -> Floats:
    """Return each endpoint's median latency in ms without load, as it is in this run."""
    groups = [platform_objectives().group_of(one.method, one.name) or "" for one in ENDPOINTS]
    rng = np.random.default_rng([load.seed, users, repeat, load.system, 1])
    shared, own = (
        rng.standard_normal(),
        dict(zip(dict.fromkeys(groups), rng.standard_normal(len(groups)), strict=False)),
    )
    effect = {group: load.run_cv * np.sqrt(0.5) * (shared + own[group]) for group in own}
    factors = [load.slowdown.get(group, 1.0) * np.exp(effect[group]) for group in groups]
    medians: Floats = np.array([one.median_ms for one in ENDPOINTS]) * factors
    return medians


def _second(
    rng: np.random.Generator, second: int, requests: int, users: int, load: Load, medians: Floats
) -> tuple[Iterator[Sequence[object]], Iterator[Sequence[object]]]:
    """Return one second's rows of latency.csv and failures.csv."""
    weights = np.array([endpoint.weight for endpoint in ENDPOINTS])
    endpoint = rng.choice(len(ENDPOINTS), size=requests, p=weights / weights.sum())
    wire_ms = rng.lognormal(np.log(medians[endpoint] * (1 + users / 1000)), 0.5)
    client_ms = wire_ms + rng.gamma(2, 0.2 * (1 + users / 250), requests)
    source = rng.integers(len(load.sources), size=requests)
    failure = np.where(rng.random(requests) < load.failure_rate, rng.integers(len(OUTCOMES), size=requests), -1)
    further = (WIRE, wire_ms) if load.wire else (FALLBACK, client_ms)
    samples: Counter[tuple[int, int, int, str, int]] = Counter()
    for measure, latency_ms in ((CLIENT, client_ms), further):
        buckets = map(bucket_of, latency_ms.tolist())
        samples.update(
            (at, of, why, measure, bucket)
            for at, of, why, bucket in zip(source.tolist(), endpoint.tolist(), failure.tolist(), buckets, strict=True)
            # A failure without a wire time has no fallback.
            if measure != FALLBACK or why < 0
        )
    failed = Counter((of, why) for of, why in zip(endpoint.tolist(), failure.tolist(), strict=True) if why >= 0)
    latency_rows = (
        (
            *(second, load.sources[at], ENDPOINTS[of].method, ENDPOINTS[of].name),
            *("ok" if why < 0 else OUTCOMES[why][1], measure, bucket_middle(bucket), count),
        )
        for (at, of, why, measure, bucket), count in samples.items()
    )
    failure_rows = (
        (
            *(second, ENDPOINTS[of].method, ENDPOINTS[of].name),
            *(OUTCOMES[why][1], OUTCOMES[why][0], OUTCOMES[why][2], count),
        )
        for (of, why), count in failed.items()
    )
    return latency_rows, failure_rows


def main() -> None:
    """Write a sweep from the command line and print its folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs_dir", type=Path)
    parser.add_argument("--users", default="100,250,500,1000")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--per-user", type=float, default=0.9, help="requests per second and user")
    options = parser.parse_args()
    load = Load(users=parse_users(options.users), seconds=options.seconds, per_user=options.per_user)
    print(write_recorded_sweep(options.runs_dir, load).path)


if __name__ == "__main__":
    main()
