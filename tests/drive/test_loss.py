"""Nothing is lost, or it is said: slow answers at the end, and a worker that is killed."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

import perflab
from perflab.drive.events import Event, Progress
from perflab.drive.sweep import run_sweep
from perflab.plan.objectives import Objectives
from perflab.plan.plan import make_plan
from perflab.plan.settings import load_environment
from perflab.store.recorder_protocol import read_state
from tests.whole import losses

SLOW = """
import os
from locust import FastHttpUser, constant, events, task
class U(FastHttpUser):
    wait_time = constant(0.1)
    @task
    def slow(self): self.client.get("/slow")
"""

NEVER = """
from itertools import count
from locust import HttpUser, constant, task
number = count(1)
class U(HttpUser):
    wait_time = constant(0.05)
    @task
    def t(self):
        self.client.get("/health")
        if next(number) % 40 == 0: self.client.get("/hangs?key=topsecret", name="/hangs")
"""


def test_answers_that_come_after_the_end_are_recorded(tmp_path: Path, small_target: str) -> None:
    locustfile = tmp_path / "slow.py"
    locustfile.write_text(SLOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        patch.setenv("LOAD_TEST_TIMEOUT", "5")
        sweep = perflab.sweep(
            small_target,
            locustfile=locustfile,
            users=12,
            # Slower than they ask, or all of them would ask at the same moments, and perhaps none near the end.
            spawn_rate=5,
            duration=3,
            processes=2,
            runs_dir=tmp_path / "runs",
            progress="none",
            report=False,
        )
    [manifest] = sweep.run_manifests
    evidence = manifest.evidence
    assert manifest.window is not None
    assert (len(sweep.runs), losses(sweep)) == (1, [])
    assert evidence.requests_recorded == evidence.requests_finished == evidence.locust_finished
    assert evidence.unanswered == 0
    slow = sweep.latency[(sweep.latency["name"] == "/slow") & (sweep.latency["measure"] == "wire")]
    # Answers take two seconds: those of the window's last second came when it was over.
    last = slow[slow["second"] >= manifest.window.end - 2]
    assert last["count"].sum() > 0
    assert (slow["latency_ms"] > 1980).all()
    # 12 users, one request each 2.1 s: as many in each window of that length, up to the end.
    assert evidence.requests_recorded >= 12 * 2


def test_requests_that_never_come_back_are_counted(tmp_path: Path) -> None:
    locustfile = tmp_path / "never.py"
    locustfile.write_text(NEVER)
    odd = Path(__file__).parents[1] / "parts" / "odd_server.py"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        patch.setenv("LOAD_TEST_TIMEOUT", "1")
        sweep = perflab.sweep(
            shlex.join([sys.executable, str(odd)]) + " {port}",
            locustfile=locustfile,
            users=8,
            spawn_rate=20,
            duration=3,
            runs_dir=tmp_path / "runs",
            progress="none",
            report=False,
        )
    evidence = sweep.run_manifests[0].evidence
    waiting = sweep.latency[sweep.latency["outcome"] == "unanswered"]
    assert evidence.unanswered == waiting["count"].sum() > 0
    assert evidence.requests_finished == evidence.locust_finished
    assert evidence.requests_recorded == (evidence.requests_finished or 0) + evidence.unanswered
    hangs = sweep.endpoints[sweep.endpoints["name"] == "/hangs"]
    assert (hangs["unanswered"] == hangs["requests"]).all()
    assert set(sweep.failures["outcome"]) == {"unanswered"}
    # They are slower than all others, so the largest of all is not known.
    assert sweep.totals["max_ms"].tolist() == [float("inf")]
    assert sweep.totals["p50_ms"].item() < 100
    assert any("never answered" in note for note in sweep.notes)
    assert not any(b"topsecret" in file.read_bytes() for file in sweep.dir.path.rglob("*") if file.is_file())


def test_a_killed_worker_makes_the_run_invalid_and_the_rest_is_kept(
    tmp_path: Path, small_target: str, small_locustfile: Path
) -> None:
    runs = tmp_path / "runs"
    killed: list[tuple[str, int]] = []

    def kill_one(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "steady" and not killed:
            state = read_state(event.run.path)
            assert state is not None
            assert state.start is not None
            if state.window_start is not None and time.time() > state.start + state.window_start + 2:
                name, source = sorted(state.sources.items())[0]
                assert source.pid > 1
                os.kill(source.pid, signal.SIGKILL)
                killed.append((name, source.pid))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        environment = load_environment(tmp_path)
        plan = make_plan(
            environment=environment,
            root=tmp_path,
            launch=small_target,
            locustfile=small_locustfile,
            users=10,
            spawn_rate=20,
            duration=7,
            processes=2,
        )
        folder = run_sweep(plan, Objectives(), runs_dir=runs, environment=environment, root=tmp_path, listen=kill_one)
    sweep = perflab.Sweep.open(folder)
    [(name, pid)] = killed
    evidence = sweep.run_manifests[0].evidence
    assert sweep.verdict == "INVALID"
    assert evidence.sources[name].lost
    # Killed in about the third of seven seconds.
    assert 3 <= evidence.sources[name].missing_s <= 6
    [line] = [reason for reason in sweep.reasons if "was lost" in reason]
    assert f"{name} (process {pid}) was lost" in line
    assert f"{evidence.sources[name].missing_s:.0f} s of its requests are missing" in line
    rows = sweep.latency[sweep.latency["measure"] == "client"].groupby("source", observed=True)["count"].sum()
    for source, kept in evidence.sources.items():
        assert rows[source] == kept.requests_recorded == kept.requests_finished > 0
    [other] = [source for source in evidence.sources if source != name]
    assert not evidence.sources[other].lost
    assert sweep.latency.groupby("source", observed=True)["second"].max()[other] >= 7
