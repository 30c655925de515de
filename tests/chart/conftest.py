"""Recorded sweeps of several shapes, each written once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Group, Objective, Objectives
from perflab.store.layout import SweepDir
from perflab.store.manifest import RunManifest, read_manifest, write_manifest
from perflab.vocabulary.level import Level

HOSTILE_GROUPS = ("_auth", r"$x^{ & <b>")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Sweep]:
    """Return a function that records a sweep (`Load`'s fields, and objectives) and opens it."""

    @cache
    def record(objectives: Objectives | None = None, **load: Any) -> Sweep:
        shape = {"seconds": 8, "spawn_rate": 50, "per_user": 0.9} | load
        return Sweep.open(write_recorded_sweep(tmp_path_factory.mktemp("runs"), Load(**shape), objectives))

    return record


@pytest.fixture(scope="session")
def four_levels(recorded: Callable[..., Sweep]) -> Sweep:
    """Four levels, two repeats, two sources, three groups with objectives, failures."""
    return recorded(users=(20, 40, 80, 160), repeats=2, sources=("w1", "w2"), failure_rate=0.03)


@pytest.fixture(scope="session")
def hostile_groups(recorded: Callable[..., Sweep]) -> Sweep:
    """Groups named so that a careless chart drops or breaks on them."""
    first, second = HOSTILE_GROUPS
    return recorded(
        Objectives(
            groups=(
                Group(name=first, endpoints=("/api/v1/auth/*",)),
                Group(name=second, endpoints=("/api/v1/payments*",)),
            ),
            limits=(
                Objective(group=first, metric="p95_ms", bound="at_most", limit=200),
                Objective(group=second, metric="error_rate", bound="at_most", limit=0.01),
            ),
        ),
        users=(20, 40),
        failure_rate=0.05,
    )


@pytest.fixture(scope="session")
def one_invalid(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Two levels; of the upper one a sample was lost."""
    load = Load(users=(20, 40), seconds=8, spawn_rate=50)
    sweep_dir: SweepDir = write_recorded_sweep(tmp_path_factory.mktemp("runs"), load)
    path = sweep_dir.run(Level.of_users(40), 1).manifest
    run = read_manifest(path, RunManifest)
    finished = run.evidence.requests_recorded + 5
    evidence = run.evidence.model_copy(update={"requests_finished": finished})
    write_manifest(path, run.model_copy(update={"evidence": evidence}))
    return Sweep.open(sweep_dir)
