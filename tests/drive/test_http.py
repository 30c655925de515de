"""Whatever a host sends, and however slowly, one deadline holds for all of it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perflab.drive import target as targets
from perflab.drive.http import MAX_ANSWER_BYTES, ask, within
from perflab.drive.target import open_target
from perflab.errors import TargetError
from perflab.plan.plan import Plan
from perflab.readiness.target import check_api

Send = Callable[[Callable[[bytes], None]], None]


def drip(send: Callable[[bytes], None]) -> None:
    send(b"HTTP/1.1 200 OK\r\n")
    while True:
        send(b"X")
        time.sleep(0.02)


def endless_continue(send: Callable[[bytes], None]) -> None:
    while True:
        send(b"HTTP/1.1 100 Continue\r\n\r\n")


def silent(_: Callable[[bytes], None]) -> None:
    time.sleep(3)


def endless_body(send: Callable[[bytes], None]) -> None:
    send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        send(bytes(100_000))


@contextlib.contextmanager
def serve(answer: Send) -> Iterator[str]:
    """A server that sends what it likes, to everybody, until they go."""

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(1000)
            answer(connection.sendall)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        # It wakes up who accepts.
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", [drip, endless_continue, silent])
def test_an_answer_that_does_not_end_is_given_up(answer: Send) -> None:
    with serve(answer) as host:
        before, began = threading.active_count(), time.monotonic()
        with pytest.raises(TimeoutError):
            ask(host, "/health", 0.2)
        assert time.monotonic() - began < 2
        finding = check_api(host, timeout_s=0.2)
        assert finding.result == "problem"
        assert "did not answer within 0.2 s" in finding.found
        # Nobody goes on reading.
        deadline = time.monotonic() + 2.5
        while threading.active_count() > before + 4 and time.monotonic() < deadline:
            time.sleep(0.02)


def test_a_body_without_end_is_taken_in_to_a_limit() -> None:
    with serve(endless_body) as host:
        tracemalloc.start()
        try:
            assert ask(host, "/health", 20).status == 200
            assert tracemalloc.get_traced_memory()[1] < 20 * MAX_ANSWER_BYTES
        finally:
            tracemalloc.stop()
        assert check_api(host).result in {"ok", "warning"}


@pytest.mark.parametrize("answer", [drip, endless_continue])
def test_a_target_that_is_never_ready_meets_the_limit(
    answer: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "START_TIMEOUT_S", 0.5)
    monkeypatch.setattr(targets, "ANSWER_TIMEOUT_S", 0.2)
    plan = Plan(host=None, launch="sleep 60", locustfile=Path("/x"))
    with serve(answer) as host:
        # The port that the target is given is the server's.
        monkeypatch.setattr(targets, "free_port", lambda: int(host.rpartition(":")[2]))
        began = time.monotonic()
        with pytest.raises(TargetError, match="did not answer"), open_target(plan, os.environ, tmp_path):
            pass
        assert time.monotonic() - began < 20


def test_what_goes_wrong_within_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
    assert within(5, lambda: 3) == 3
