"""Nothing is lost, or it is said: slow answers at the end, a worker that is killed, a connection that is cut."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import perflab
from perflab.drive.events import Event, Progress
from perflab.drive.isolated import isolated
from perflab.drive.sweep import run_sweep
from perflab.drive.target import free_port
from perflab.plan.objectives import Objectives
from perflab.plan.plan import make_plan
from perflab.plan.settings import load_environment
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import RunConfiguration, read_state
from perflab.store.tables import create_tables
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


TRUTHFUL = """
import json, os
from pathlib import Path
from locust import FastHttpUser, HttpUser, constant, events, task
from perflab.record.delivery import Outbox
acknowledge = Outbox.acknowledge
acknowledged, seen = [], []
def noting(outbox, number):
    acknowledged.append(number)
    acknowledge(outbox, number)
Outbox.acknowledge = noting
@events.request.add_listener
def on_request(name, response_time, **_): seen.append([name, response_time])
@events.quit.add_listener
def on_quit(**_):
    if "TRUTH_FILE" in os.environ: Path(os.environ["TRUTH_FILE"]).write_text(json.dumps([acknowledged, seen]))
class Fast(FastHttpUser):
    wait_time = constant(0.02)
    @task
    def varied(self): self.client.get("/varied")
class Slow(HttpUser):
    wait_time = constant(0.05)
    @task
    def broken(self): self.client.get("/broken")
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
                name, source_state = sorted(state.sources.items())[0]
                assert source_state.pid > 1
                os.kill(source_state.pid, signal.SIGKILL)
                killed.append((name, source_state.pid))

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


MASTER = (
    "--master --headless -u 12 -r 12 -t 60s --expect-workers 2 --stop-timeout 5 --exit-code-on-error 0 "
    "--master-bind-host 127.0.0.1"
)


class Proxy:
    """A TCP proxy that can be cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        self._cut = False
        self.cut_connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._cut:
                    raise ConnectionRefusedError
                there = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                # Cut, or the master does not listen yet: the worker tries again.
                here.close()
                continue
            self._pairs += [here, there]
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def cut(self, seconds: float) -> None:
        """Break all connections, and let none through for so long."""
        self._cut = True
        for end in self._pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
                self.cut_connections += 1
        time.sleep(seconds)
        self._cut = False

    def close(self) -> None:
        """End it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for end in (self._listener, *self._pairs):
            end.close()


@pytest.fixture
def server(small_target: str) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(shlex.split(small_target.replace("{port}", str(port))))
    for _ in range(100):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_a_connection_that_is_cut_for_five_seconds_loses_nothing(tmp_path: Path, server: str) -> None:
    run = RunDir(tmp_path)
    locustfile = tmp_path / "truthful.py"
    locustfile.write_text(TRUTHFUL)
    create_tables(tmp_path, managed=False)
    configuration = RunConfiguration(run_dir=str(tmp_path), users=12, settle_s=1, duration_s=9)
    port = free_port()
    proxy = Proxy(port)
    base = [*isolated("perflab.record.program", "run", "-f", str(locustfile)), "-H", server]
    with (tmp_path / "master.log").open("wb") as log, contextlib.ExitStack() as children:
        master = children.enter_context(
            subprocess.Popen(
                [*base, *MASTER.split(), "--master-bind-port", str(port)],
                env=os.environ | configuration.to_variable(),
                stdout=log,
                stderr=log,
            )
        )
        children.callback(master.kill)
        workers = []
        for number, to in enumerate((port, proxy.port)):
            output = children.enter_context((tmp_path / f"worker-{number}.log").open("wb"))
            worker = children.enter_context(
                subprocess.Popen(
                    [*base, "--worker", "--master-host", "127.0.0.1", "--master-port", str(to)],
                    env=os.environ | {"TRUTH_FILE": str(tmp_path / f"truth-{number}.json")},
                    stdout=output,
                    stderr=output,
                )
            )
            workers.append(worker)
            children.callback(worker.kill)
        for _ in range(300):
            state = read_state(tmp_path)
            if state is not None and state.window_start is not None and state.start is not None:
                break
            time.sleep(0.1)
        assert state is not None and state.window_start is not None and state.start is not None
        time.sleep(max(0, state.start + state.window_start + 1 - time.time()))
        proxy.cut(5)
        assert proxy.cut_connections > 0
        assert master.wait(60) == 0, (tmp_path / "master.log").read_text()
        assert [worker.wait(20) for worker in workers] == [0, 0]
    proxy.close()
    state = read_state(tmp_path)
    assert state is not None
    assert len(state.sources) == 2
    assert all(source_state.complete for source_state in state.sources.values())
    told = [json.loads((tmp_path / f"truth-{number}.json").read_text()) for number in range(2)]
    # Before it began, each knew that somebody listens: it gives nothing up.
    assert [acknowledged[0] for acknowledged, _ in told] == [0, 0]
    truths = [len(seen) for _, seen in told]
    latency = pd.read_csv(run.latency, keep_default_na=False)
    rows = latency[latency["measure"] == "client"].groupby("source")["count"].sum()
    assert (
        sorted(rows)
        == sorted(source_state.totals.requests_finished for source_state in state.sources.values())
        == sorted(truths)
    )
    # Both went on all the time, and no second is there twice.
    generator = pd.read_csv(run.generator)
    assert not generator.duplicated(["source", "second"]).any()
    for _, of_source in generator.groupby("source"):
        assert set(range(2, int(state.window_end or 0) - 1)) <= set(of_source["second"])
