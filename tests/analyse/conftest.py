"""Sweeps of a few rows written by hand, through the store's own writers, and one like a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Group, Objective, Objectives
from perflab.plan.plan import Plan
from perflab.store.layout import SweepDir, create_sweep
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
    create_table,
)
from perflab.vocabulary.level import Level
from perflab.vocabulary.measure import CLIENT, FALLBACK, WIRE

Row = Sequence[object]


class Written:
    """A sweep being written by hand: runs are added one by one, then it is opened."""

    def __init__(self, runs_dir: Path) -> None:
        self.dir: SweepDir = create_sweep(runs_dir, "hand")
        self.plan = Plan(host="http://localhost:1", locustfile=Path("locustfile.py"), users=(10,), duration_s=10)
        self.objectives = Objectives()

    def limit(
        self, metric: str, limit: float, group: str = "shop", patterns: tuple[str, ...] = ("/*",), **further: Any
    ) -> None:
        """Add an objective; a group comes into being with its first one."""
        bound: Any = "at_least" if metric in {"success_rate", "throughput_rps"} else "at_most"
        groups = self.objectives.groups
        if group not in {known.name for known in groups}:
            groups = (*groups, Group(name=group, endpoints=patterns))
        added = Objective(group=group, metric=metric, bound=bound, limit=limit, **further)
        self.objectives = Objectives(groups=groups, limits=(*self.objectives.limits, added))

    def run(
        self,
        rows: Iterable[Row] = (),
        *,
        users: int = 10,
        repeat: int = 1,
        window: tuple[float, float] | None = (0, 10),
        status: Any = "complete",
        cpu: float = 20.0,
        generator: Iterable[Row] | None = None,
        **evidence: Any,
    ) -> Path:
        """Write a run; rows are (second, name, outcome, latency_ms, count) with an optional measure.

        As the recorder does it, successful requests of a second without a wire time have a fallback.
        """
        level = Level.of_users(users)
        run = self.dir.run(level, repeat)
        run.path.mkdir()
        full = [
            (row[0], "local", "GET", row[1], row[2], row[5] if len(row) > 5 else CLIENT, row[3], row[4]) for row in rows
        ]
        measured = {(row[0], row[3]) for row in full if row[5] in (WIRE, FALLBACK)}
        full += [
            (*row[:5], FALLBACK, *row[6:])
            for row in full
            if (row[4], row[5]) == ("ok", CLIENT) and (row[0], row[3]) not in measured
        ]
        finished = sum(int(str(row[-1])) for row in full if row[5] == "client")
        if generator is None:
            generator = [(second, "local", users, 0, cpu, 0.1, 80.0) for second in range(10)]
        # An idle generator where nothing else is said.
        generator = [(*row, *(users, 0.05, 0.1, 0.4, 0.9, 0.001, 0.0)[len(row) - 7 :]) for row in generator]
        for path, columns, content in (
            (run.latency, LATENCY_COLUMNS, full),
            (run.generator, GENERATOR_COLUMNS, generator),
            (run.target, TARGET_COLUMNS, []),
            (run.failures, FAILURE_COLUMNS, []),
        ):
            create_table(path, columns)
            table = TableWriter(path)
            table.append(content)
            table.close()
        proof: dict[str, Any] = {
            "users_reached": users,
            "requests_recorded": finished,
            "requests_finished": finished,
            "locust_finished": finished,
            "locust_total": finished,
            "sources": {"local": SourceEvidence()},
        }
        manifest = RunManifest(
            sweep_id=self.dir.id,
            level=level,
            repeat=repeat,
            plan=self.plan,
            seed=1,
            status=status,
            start=datetime(2026, 11, 22, tzinfo=UTC),
            window=Window(start=window[0], end=window[1]) if window else None,
            evidence=Evidence(**(proof | evidence)),
        )
        write_manifest(run.manifest, manifest)
        return run.path

    def open(self, **changes: Any) -> Sweep:
        """Write the sweep's manifest and open it; `changes` go into its plan."""
        users = tuple(int(run.name[6:10]) for run in self.dir.runs())
        plan = self.plan.model_copy(update={"users": tuple(dict.fromkeys(users)) or (10,)} | changes)
        manifest = SweepManifest(
            id=self.dir.id,
            label="hand",
            created=datetime(2026, 11, 22, tzinfo=UTC),
            plan=plan,
            objectives=self.objectives,
            target=TargetInfo(host="http://localhost:1", managed=False),
            environment={},
            status="complete",
        )
        write_manifest(self.dir.manifest, manifest)
        return Sweep.open(self.dir)


@pytest.fixture
def written(tmp_path: Path) -> Any:
    return Written(tmp_path / "runs")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Sweep]:
    """Return a function that opens a small sweep like a real one: two levels, two repeats, two sources, both clocks."""
    load = Load(users=(20, 40), repeats=2, seconds=12, per_user=2.0, sources=("w1", "w2"), wire=True, failure_rate=0.02)
    folder = write_recorded_sweep(tmp_path_factory.mktemp("recorded"), load)
    return lambda: Sweep.open(folder)
