"""The recorder's roles in real Locust processes: standalone, and a master with workers whose connection is cut."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from perflab.drive.isolated import isolated
from perflab.drive.target import free_port
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import RunConfiguration, read_state
from perflab.store.tables import create_tables
from perflab.vocabulary.level import Level

TRUTHFUL = """
import json, os
from pathlib import Path
from locust import FastHttpUser, HttpUser, constant, events, task
from perflab.record.delivery import Outbox
from perflab.vocabulary.level import Level
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

STANDALONE = "--headless -u 4 -r 4 -t 60s --stop-timeout 5 --exit-code-on-error 0"
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


def test_a_standalone_process_closes_its_window_and_says_what_it_made(tmp_path: Path, server: str) -> None:
    run, truth = RunDir(tmp_path), tmp_path / "truth.json"
    locustfile = tmp_path / "truthful.py"
    locustfile.write_text(TRUTHFUL)
    create_tables(tmp_path, managed=False)
    configuration = RunConfiguration(run_dir=str(tmp_path), level=Level.of_users(4), settle_s=0, duration_s=2)
    command = [*isolated("perflab.record.program", "run", "-f", str(locustfile)), "-H", server]
    done = subprocess.run(
        [
            *command,
            *["--headless", "-u", "4", "-r", "4", "-t", "60s", "--stop-timeout", "5", "--exit-code-on-error", "0"],
        ],
        env=os.environ | configuration.to_variable() | {"TRUTH_FILE": str(truth)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    state = read_state(tmp_path)
    assert state is not None
    assert state.start is not None and state.end is not None and state.window_start is not None
    assert (state.window_over, state.users_reached, state.error) == (True, 4, None)
    assert state.window_end == state.window_start + 2
    [(name, source)] = state.sources.items()
    assert (name, source.complete, source.totals.recorder_faults) == ("local", True, 0)
    _, seen = json.loads(truth.read_text())
    latency = pd.read_csv(run.latency, keep_default_na=False)
    recorded = latency.loc[latency["measure"] == "client", "count"].sum()
    totals = state.totals
    assert recorded == totals.requests_recorded == totals.requests_finished == totals.locust_finished == len(seen) > 0
    assert state.suite is not None and set(state.suite["users"]) == {"Fast", "Slow"}


def test_a_connection_that_is_cut_for_five_seconds_loses_nothing(tmp_path: Path, server: str) -> None:
    run = RunDir(tmp_path)
    locustfile = tmp_path / "truthful.py"
    locustfile.write_text(TRUTHFUL)
    create_tables(tmp_path, managed=False)
    configuration = RunConfiguration(run_dir=str(tmp_path), level=Level.of_users(12), settle_s=1, duration_s=9)
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
    assert all(source.complete for source in state.sources.values())
    reports = [json.loads((tmp_path / f"truth-{number}.json").read_text()) for number in range(2)]
    # Before it began, each knew that somebody listens: it gives nothing up.
    assert [acknowledged[0] for acknowledged, _ in reports] == [0, 0]
    truths = [len(seen) for _, seen in reports]
    latency = pd.read_csv(run.latency, keep_default_na=False)
    rows = latency[latency["measure"] == "client"].groupby("source")["count"].sum()
    finished = [source.totals.requests_finished for source in state.sources.values()]
    assert sorted(rows) == sorted(finished) == sorted(truths)
    # Both went on all the time, and no second is there twice.
    generator = pd.read_csv(run.generator)
    assert not generator.duplicated(["source", "second"]).any()
    for _, of_source in generator.groupby("source"):
        assert set(range(2, int(state.window_end or 0) - 1)) <= set(of_source["second"])
