"""Kept connections are kept, counted at the server: by both clients, above descriptor 1023, until it ends them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import perflab

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
# The server ends a connection, without a word, after so many answers.
ANSWERS = 15


class Counting(BaseHTTPRequestHandler):
    """Answers at once, and counts the connections by the path that they are used for."""

    protocol_version = "HTTP/1.1"
    opened: dict[str, int] = {}  # noqa: RUF012
    answered = 0

    def do_GET(self) -> None:
        if not self.answered:
            self.opened[self.path] = self.opened.get(self.path, 0) + 1
        self.answered += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = self.answered == ANSWERS

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Counting.opened = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


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
    )
    for name in ("/fast", "/requests"):
        rows = sweep.latency[sweep.latency["name"] == name]
        made = rows[rows["measure"] == "client"]
        # Whoever overlooks the end of a connection fails on it.
        assert set(made["outcome"]) == {"ok"}
        requests = int(made["count"].sum())
        assert requests > 2 * ANSWERS
        # Two users, each with a new connection only when the server has ended the last one.
        assert Counting.opened[name] <= requests / ANSWERS + 2
        assert rows[rows["measure"] == "connect"]["count"].sum() == Counting.opened[name]
    assert not any("connection" in note for note in sweep.notes)
