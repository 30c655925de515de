"""Sweeps that were cut short are shown like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab import chart, report
from perflab.analyse.sweep import Sweep
from perflab.store.layout import SweepDir
from perflab.store.manifest import RunManifest, read_manifest, write_manifest
from perflab.vocabulary.level import Level

CHARTS = (chart.throughput, chart.percentiles, chart.latency_over_time, chart.failures, chart.cpu)
PIECES = (
    report.sweep.verdict,
    report.sweep.endpoints,
    report.sweep.failures,
    report.sweep.runs,
    report.sweep.how_measured,
)


@pytest.fixture
def sweep_dir(tmp_path: Path) -> SweepDir:
    return write_recorded_sweep(tmp_path, Load(users=(20, 40), seconds=6, spawn_rate=50))


def cut_short(sweep_dir: SweepDir, users: int, **changes: object) -> None:
    path = sweep_dir.run(Level.of_users(users), 1).manifest
    run = read_manifest(path, RunManifest)
    write_manifest(path, run.model_copy(update={"status": "interrupted", "window": None, "end": None, **changes}))


def show(sweep_dir: SweepDir) -> str:
    sweep = Sweep.open(sweep_dir)
    drawn = "".join(draw(sweep).to_svg() for draw in CHARTS)
    return drawn + "".join(piece(sweep)._repr_html_() for piece in PIECES)


def test_interrupted_in_the_last_level(sweep_dir: SweepDir) -> None:
    cut_short(sweep_dir, 40)
    shown = show(sweep_dir)
    assert "the run was interrupted" in shown
    assert ">40 users<" in shown
    assert "no complete run" not in shown


def test_interrupted_in_the_first_level(sweep_dir: SweepDir) -> None:
    cut_short(sweep_dir, 20)
    shutil.rmtree(sweep_dir.run(Level.of_users(40), 1).path)
    assert "no complete run" in show(sweep_dir)


def test_failed_before_the_first_request(sweep_dir: SweepDir) -> None:
    for users in (20, 40):
        cut_short(sweep_dir, users, status="failed", start=None)
        run = sweep_dir.run(Level.of_users(users), 1)
        for path in (run.latency, run.generator, run.target, run.failures):
            path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    shown = show(sweep_dir)
    assert "No request was judged" in shown
    assert "0 requests judged" in shown


def test_no_run_at_all(sweep_dir: SweepDir) -> None:
    for users in (20, 40):
        shutil.rmtree(sweep_dir.run(Level.of_users(users), 1).path)
    assert "INVALID" in show(sweep_dir)
