"""Recorded sweeps to compare, each with run effects of its own, and ways to change them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Objectives
from perflab.store.layout import SweepDir
from perflab.store.manifest import RunManifest, SweepManifest, read_manifest, write_manifest

# 1000 requests a run, in three groups: p50 is assessable in all of them, p95 in none.
LOAD: dict[str, Any] = {
    "users": (50,),
    "repeats": 5,
    "seconds": 10,
    "spawn_rate": 50.0,
    "per_user": 2.0,
    "run_cv": 0.02,
    "wire": True,
}
Record = Callable[..., Sweep]


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Load, Objectives | None], Path]:
    """Return a function that records a sweep once, however many tests ask for it."""
    recorded: dict[str, Path] = {}

    def get(load: Load, objectives: Objectives | None) -> Path:
        key = repr((load, objectives))
        if key not in recorded:
            recorded[key] = write_recorded_sweep(tmp_path_factory.mktemp("stock"), load, objectives).path
        return recorded[key]

    return get


@pytest.fixture
def record(tmp_path: Path, stock: Callable[[Load, Objectives | None], Path]) -> Record:
    """Return a function that records a sweep, each with run effects of its own."""
    numbers = iter(range(100))

    def write(objectives: Objectives | None = None, **changes: Any) -> Sweep:
        number = next(numbers)
        load = Load(**{**LOAD, "system": number, **changes})
        copy = tmp_path / f"20261122T103000Z-{number}"
        return Sweep.open(SweepDir(shutil.copytree(stock(load, objectives), copy)))

    return write


@pytest.fixture(scope="session")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Sweep]:
    """Two sweeps, of which the second has payments that are 30 % slower."""
    runs_dir = tmp_path_factory.mktemp("slowed")
    loads = (Load(**LOAD), Load(**LOAD, system=1, slowdown={"payments": 1.3}))
    first, second = (Sweep.open(write_recorded_sweep(runs_dir, load)) for load in loads)
    return first, second


def rewrite_runs(sweep: Sweep, change: Callable[[RunManifest], dict[str, Any]]) -> Sweep:
    for run in sweep.dir.runs():
        manifest = read_manifest(run.manifest, RunManifest)
        write_manifest(run.manifest, manifest.model_copy(update=change(manifest)))
    return Sweep.open(sweep.dir)


def rewrite(sweep: Sweep, **changes: Any) -> Sweep:
    manifest = read_manifest(sweep.dir.manifest, SweepManifest)
    write_manifest(sweep.dir.manifest, manifest.model_copy(update=changes))
    return Sweep.open(sweep.dir)


def edit_latency(sweep: Sweep, edit: Callable[[str], str | None], runs: Any = slice(None)) -> Sweep:
    """Rewrite or drop (None) rows of latency.csv and keep the runs' own counts in step with them."""
    for run in sweep.dir.runs()[runs]:
        header, *rows = run.latency.read_text(encoding="utf-8").splitlines()
        edited = [row for row in map(edit, rows) if row is not None]
        run.latency.write_text("\n".join([header, *edited, ""]), encoding="utf-8")
        counted = sum(int(row.rsplit(",", 1)[1]) for row in edited if ",client," in row)
        unanswered = sum(int(row.rsplit(",", 1)[1]) for row in edited if ",unanswered," in row)
        manifest = read_manifest(run.manifest, RunManifest)
        evidence = manifest.evidence.model_copy(
            update={
                "requests_recorded": counted,
                "requests_finished": counted - unanswered,
                "locust_finished": counted - unanswered,
                "unanswered": unanswered,
            }
        )
        write_manifest(run.manifest, manifest.model_copy(update={"evidence": evidence}))
    return Sweep.open(sweep.dir)


def cell(frame: pd.DataFrame, **wanted: Any) -> dict[str, Any]:
    chosen = frame
    for name, value in wanted.items():
        chosen = chosen[chosen[name] == value]
    [row] = chosen.to_dict("records")
    return {str(name): value for name, value in row.items()}


def plain_p50(sweep: Sweep, name: str, start: int, stop: int) -> list[float]:
    """Return each run's wire p50 of one endpoint's requests, computed without perflab."""
    found = []
    for run in sweep.dir.runs():
        rows = pd.read_csv(run.latency, keep_default_na=False)
        rows = rows[(rows["name"] == name) & (rows["measure"] == "wire") & (rows["outcome"] == "ok")]
        rows = rows[(rows["second"] >= start) & (rows["second"] < stop)]
        values = np.sort(np.repeat(rows["latency_ms"].to_numpy(), rows["count"].to_numpy()))
        found.append(float(values[int(np.ceil(len(values) / 2)) - 1]))
    return found
