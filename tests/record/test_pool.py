"""Kept connections are kept, counted at the server: by both clients, above descriptor 1023, until it ends them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

import perflab
from tests.parts.keeping_server import ANSWERS

# Few users are enough where all low descriptors are taken.
LOCUSTFILE = """
import os, resource
from locust import FastHttpUser, HttpUser, constant, task

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (2000 if hard < 0 else min(2000, hard), hard))
while os.dup(0) < 1100: pass

class Fast(FastHttpUser):
    fixed_count = 2
    wait_time = constant(0.05)
    @task
    def get(self): self.client.get("/fast")

class Requests(HttpUser):
    fixed_count = 2
    wait_time = constant(0.05)
    @task
    def get(self): self.client.get("/requests")
"""


@pytest.fixture
def server() -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).parents[1] / "parts" / "keeping_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_connections_above_descriptor_1023_are_kept(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    sweep = perflab.sweep(
        server,
        locustfile=tmp_path / "locustfile.py",
        users=4,
        spawn_rate=100,
        duration=2,
        runs_dir=tmp_path / "runs",
        progress="none",
        report=False,
    )
    with urlopen(f"{server}/opened") as answer:  # noqa: S310
        opened = json.load(answer)
    for name in ("/fast", "/requests"):
        rows = sweep.latency[sweep.latency["name"] == name]
        made = rows[rows["measure"] == "client"]
        # Whoever overlooks the end of a connection fails on it.
        assert set(made["outcome"]) == {"ok"}
        requests = int(made["count"].sum())
        assert requests > 2 * ANSWERS
        # Two users, each with a new connection only when the server has ended the last one.
        assert opened[name] <= requests / ANSWERS + 2
        assert rows[rows["measure"] == "connect"]["count"].sum() == opened[name]
    assert not any("connection" in note for note in sweep.notes)
