"""Recorded sweeps to compare, each written once: two equal ones, a slower one, a single run, an A/B comparison."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.plan.ab import AbPlan, AbTarget
from perflab.plan.plan import Plan
from perflab.store.layout import SweepDir, create_ab
from perflab.store.manifest import AbManifest, write_manifest

ROUNDS = 5
COMMAND = "python -m service --port {port}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The ids of recorded sweeps under `runs_dir`, and that of an A/B comparison."""

    runs_dir: Path
    base: str
    equal: str
    slow: str
    single: str
    ab: str

    def dir(self, sweep_id: str) -> SweepDir:
        return SweepDir(self.runs_dir / sweep_id)


def _load(system: int, repeats: int = ROUNDS, payments: float = 1.0) -> Load:
    return Load(
        users=(100,),
        repeats=repeats,
        seconds=10,
        spawn_rate=100,
        failure_rate=0,
        wire=True,
        run_cv=0.02,
        system=system,
        slowdown={"payments": payments},
    )


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs_dir = tmp_path_factory.mktemp("comparing") / "runs"
    write_recorded_sweep(runs_dir, _load(0), label="base")
    write_recorded_sweep(runs_dir, _load(1), label="equal")
    write_recorded_sweep(runs_dir, _load(2, payments=1.4), label="slow")
    write_recorded_sweep(runs_dir, _load(3, repeats=1), label="single")
    place = create_ab(runs_dir, "ab")
    shutil.copytree(runs_dir / next(runs_dir.glob("*-base")), place.baseline.path, dirs_exist_ok=True)
    shutil.copytree(runs_dir / next(runs_dir.glob("*-slow")), place.candidate.path, dirs_exist_ok=True)
    plan = Plan(host=None, locustfile=Path("locustfile.py"), users=(100,))
    targets = AbTarget(launch=COMMAND), AbTarget(launch=f"{COMMAND} --latency payments=1.4")
    write_manifest(
        place.manifest,
        AbManifest(
            id=place.id,
            label="ab",
            created=datetime.now(UTC),
            ab=AbPlan(baseline=targets[0], candidate=targets[1], plan=plan, looks=(ROUNDS, 2 * ROUNDS), margin=0.1),
            environment={},
            rounds=tuple(range(1, ROUNDS + 1)),
        ),
    )
    return runs_dir


@pytest.fixture
def recorded(written: Path, in_empty_folder: Path) -> Recorded:
    """The sweeps in ``runs/`` of the working directory, an empty folder."""
    runs_dir = in_empty_folder / "runs"
    shutil.copytree(written, runs_dir)
    return Recorded(runs_dir, **{path.name.rpartition("-")[2]: path.name for path in runs_dir.iterdir()})
