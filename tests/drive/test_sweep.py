"""A whole sweep on real parts: Locust, a server, the recorder, files."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shlex
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import perflab
from perflab.analyse.sweep import Sweep
from perflab.drive.run import _TargetRecorder
from perflab.drive.tail import RunTail
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import RunState
from perflab.store.tables import TARGET_COLUMNS, create_table


@pytest.fixture(scope="module")
def recorded(
    tmp_path_factory: pytest.TempPathFactory, small_target: str, small_locustfile: Path
) -> tuple[Sweep, dict[str, object]]:
    """One level of 30 users, with what Locust itself saw."""
    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRUTH_FILE", str(folder / "truth.json"))
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        sweep = perflab.sweep(
            small_target,
            locustfile=small_locustfile,
            users=30,
            spawn_rate=30,
            duration="4s",
            runs_dir=folder / "runs",
            progress="none",
            report=False,
        )
    return sweep, json.loads((folder / "truth.json").read_text())


def test_every_request_that_locust_finished_is_in_the_file(recorded: tuple[Sweep, dict[str, int]]) -> None:
    sweep, truth = recorded
    [run] = sweep.dir.runs()
    latency = pd.read_csv(run.latency)
    clients = latency[latency["measure"] == "client"]
    assert clients["count"].sum() == truth["locust_count"] > 1000
    evidence = sweep.run_manifests[0].evidence
    assert evidence.requests_recorded == evidence.requests_finished == truth["locust_count"]


def test_a_sweep_from_python_leaves_the_files_of_the_command(recorded: tuple[Sweep, dict[str, int]]) -> None:
    left = {path.name for path in recorded[0].dir.path.iterdir() if path.is_file()}
    assert left >= {"sweep.json", "load_test.log", "metrics.json", "junit.xml", "summary.md"}


def test_percentiles_agree_with_the_exact_ones(recorded: tuple[Sweep, dict[str, list[dict[str, float]]]]) -> None:
    sweep, truth = recorded
    manifest = sweep.run_manifests[0]
    assert manifest.start is not None
    assert manifest.window is not None
    start = manifest.start.timestamp()
    exact = [
        request["ms"]
        for request in truth["requests"]
        if request["ok"] and manifest.window.start <= int(request["start"] - start) < manifest.window.end
    ]
    assert sweep.totals["ok"].tolist() == [len(exact)]
    # The wire clock is judged; what Locust itself saw is the client's.
    clients = sweep.latency[(sweep.latency["measure"] == "client") & (sweep.latency["outcome"] == "ok")]
    steady = clients[clients["steady"]].sort_values("latency_ms")
    cumulative = steady["count"].cumsum().to_numpy()
    measured = {}
    for name, q in [("p50_ms", 0.5), ("p90_ms", 0.9), ("p95_ms", 0.95), ("p99_ms", 0.99)]:
        truth_ms = np.quantile(exact, q, method="inverted_cdf")
        measured[name] = steady["latency_ms"].iloc[int(np.searchsorted(cumulative, np.ceil(q * cumulative[-1])))]
        assert measured[name] == pytest.approx(truth_ms, rel=0.006), name


def test_the_run_tells_its_window_and_reached_its_users(recorded: tuple[Sweep, dict[str, object]]) -> None:
    manifest = recorded[0].run_manifests[0]
    assert manifest.status == "complete"
    assert manifest.window is not None
    assert manifest.window.end - manifest.window.start == 4
    assert manifest.evidence.users_reached == 30
    assert manifest.evidence.unanswered == 0
    assert manifest.evidence.locust_exit_code == 0


def test_the_tables_cover_every_second(recorded: tuple[Sweep, dict[str, object]]) -> None:
    [run] = recorded[0].dir.runs()
    manifest = recorded[0].run_manifests[0]
    assert manifest.window is not None
    for table in (run.generator, run.target):
        seconds = pd.read_csv(table)["second"]
        assert not seconds.duplicated().any(), table
        # On a busy machine the first look may come late, but before the steady window.
        assert set(range(math.ceil(manifest.window.start), int(manifest.window.end) - 1)) <= set(seconds), table
    generator = pd.read_csv(run.generator)
    assert generator["users"].max() == 30
    assert (generator["cpu_percent"] > 0).all()
    assert (generator["rss_mb"] > 10).all()
    assert pd.read_csv(run.target)["rss_mb"].min() > 5


def test_a_hostile_name_comes_through(recorded: tuple[Sweep, dict[str, str]]) -> None:
    sweep, truth = recorded
    names = set(sweep.endpoints["name"])
    [hostile] = [name for name in names if "script" in name]
    assert hostile == truth["hostile"].replace("\n", "\\n").replace("\u2028", "\\u2028").replace("\ud800", "\\ud800")


def test_failures_are_told_without_secrets(recorded: tuple[Sweep, dict[str, object]]) -> None:
    sweep = recorded[0]
    assert set(sweep.failures["outcome"]) == {"http_503"}
    assert set(sweep.failures["status"].astype(str)) == {"503"}
    assert (
        sweep.failures["count"].sum()
        == sweep.latency.query("outcome == 'http_503' and measure == 'client'")["count"].sum()
    )
    assert "/broken?token=…" in set(sweep.endpoints["name"])
    for file in sweep.dir.path.rglob("*"):
        assert file.is_dir() or b"topsecret" not in file.read_bytes(), file


def test_the_live_figures_agree_with_the_file(recorded: tuple[Sweep, dict[str, int]]) -> None:
    sweep, truth = recorded
    tail = RunTail(sweep.dir.runs()[0])
    tail.read()
    assert tail.requests == truth["locust_count"]
    assert sum(point.requests for point in tail.points()) == tail.requests


def test_nothing_hidden_is_left(recorded: tuple[Sweep, dict[str, object]]) -> None:
    assert not list(recorded[0].dir.path.rglob(".*"))


@pytest.fixture
def busy_master_port() -> Iterator[None]:
    """Locust's default port for workers is taken, as by another sweep."""
    with contextlib.ExitStack() as taken:
        # If it is taken in truth, so much the better.
        with contextlib.suppress(OSError):
            taken.enter_context(socket.create_server(("", 5557)))
        yield


@pytest.mark.usefixtures("busy_master_port")
def test_several_processes_write_to_the_same_tables(
    tmp_path: Path, small_target: str, small_locustfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    sweep = perflab.sweep(
        small_target,
        locustfile=small_locustfile,
        users=20,
        spawn_rate=20,
        duration=2,
        processes=2,
        runs_dir=tmp_path / "runs",
        progress="none",
        report=False,
    )
    [manifest] = sweep.run_manifests
    assert manifest.status == "complete", manifest.evidence
    assert sweep.latency["source"].nunique() == 2
    clients = sweep.latency[sweep.latency["measure"] == "client"]
    assert clients["count"].sum() == manifest.evidence.requests_recorded
    assert sweep.generator.groupby("second")["users"].sum().max() == 20


def test_a_run_that_could_not_begin_leaves_nothing_that_can_not_be_read(
    tmp_path: Path, small_locustfile: Path, small_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("perflab.drive.run.write_manifest", full)
    with pytest.raises(OSError, match="No space left"):
        perflab.sweep(small_target, locustfile=small_locustfile, users=1, runs_dir=tmp_path / "runs", progress="none")
    sweep = perflab.open_sweep(runs_dir=tmp_path / "runs")
    assert (sweep.manifest.status, sweep.run_manifests) == ("interrupted", [])
    assert [path.name for path in sweep.dir.path.iterdir() if path.is_dir()] == []


ENDING = """
from itertools import count
import gevent
from locust import FastHttpUser, constant, task
user, request = count(1), count(1)
class U(FastHttpUser):
    wait_time = constant(0.05)
    def on_start(self):
        if "{what}" == "users" and next(user) % 2: raise RuntimeError("no session for me")
    @task
    def t(self):
        self.client.get("/health")
        # Some seventy a second, so in the second that settles or the three that are measured.
        if "{what}" == "runner" and next(request) == 75: gevent.spawn(self.environment.runner.quit)
"""


@pytest.mark.parametrize(
    ("what", "words"),
    [("users", "only 2 of 4 users were running"), ("runner", "before the run was over: 4 of 4 users had been running")],
)
def test_a_load_that_ends_early_is_no_result(
    tmp_path: Path, small_target: str, monkeypatch: pytest.MonkeyPatch, what: str, words: str
) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    # Locust itself takes whole seconds only.
    monkeypatch.setenv("LOAD_TEST_TIMEOUT", "0.5")
    locustfile = tmp_path / "ending.py"
    locustfile.write_text(ENDING.replace("{what}", what))
    sweep = perflab.sweep(
        small_target,
        locustfile=locustfile,
        users=4,
        spawn_rate=10,
        duration=3,
        runs_dir=tmp_path / "runs",
        progress="none",
        report=False,
    )
    assert sweep.verdict == "INVALID"
    assert words in sweep.reasons[0]


def test_no_folder_is_made_before_everything_for_its_manifest_is_known(
    tmp_path: Path, small_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # git may take seconds, and a Ctrl-C may come in them.
    runs, seen = tmp_path / "runs", tmp_path / "seen"
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(f"#!/bin/sh\nls {runs} >>{seen}; echo asked >>{seen}\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    locustfile = tmp_path / "quits.py"
    locustfile.write_text(
        "from locust import FastHttpUser, task\n"
        "class U(FastHttpUser):\n    @task\n    def t(self): self.environment.runner.quit()\n"
    )
    perflab.sweep(small_target, locustfile=locustfile, users=1, runs_dir=runs, progress="none", report=False)
    assert set(seen.read_text().split()) == {"asked"}


def test_a_target_that_dies_makes_the_run_invalid(
    tmp_path: Path, small_locustfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    target = Path(__file__).parents[1] / "parts" / "target.py"
    sweep = perflab.sweep(
        f"timeout 4 python {shlex.quote(str(target))} {{port}}",
        locustfile=small_locustfile,
        users=[5, 6],
        spawn_rate=5,
        duration=4,
        runs_dir=tmp_path / "runs",
        progress="none",
        report=False,
    )
    assert sweep.verdict == "INVALID"
    assert sweep.manifest.status == "failed"
    assert [run.level for run in sweep.run_manifests] == ["5 users"]
    assert sweep.run_manifests[0].evidence.target_lost


def test_seconds_without_a_look_at_the_target_get_the_mean_of_them(tmp_path: Path) -> None:
    create_table(tmp_path / "target.csv", TARGET_COLUMNS)
    recorder = _TargetRecorder(RunDir(tmp_path), SimpleNamespace(pid=os.getpid()))  # type: ignore[arg-type]
    # The run began so many seconds ago, each time that somebody looks.
    for ago in (0, 2, 3, 7, 7):
        recorder.take(RunState(start=int(time.time()) - ago))
    recorder.close()
    seconds = pd.read_csv(tmp_path / "target.csv")["second"].tolist()
    # A second may pass meanwhile.
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
    assert seconds[0] in (1, 2)
    assert seconds[-1] in (6, 7)
