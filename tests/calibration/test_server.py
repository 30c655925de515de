"""The server of known latency as a real process: what it draws, what it answers, and what its log says."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import http.client
import math
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from scipy import stats

from perflab.calibration.answering import BODY, LARGE_BODY
from perflab.calibration.server import CERTIFICATE

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: where, its process, and its log."""

    port: int
    process: subprocess.Popen[str]
    log: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)

    def rows(self) -> list[dict[str, float]]:
        with self.log.open(newline="") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]

    def drawn(self) -> list[float]:
        return [row["drawn_ms"] for row in self.rows()]

    def connect(self) -> contextlib.closing[http.client.HTTPConnection]:
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10))


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "perflab.calibration.server", "--port", "0", "--log", str(folder / "truth.csv")]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield Running(int(line.rpartition(":")[2]), process, folder / "truth.csv")
        finally:
            process.kill()


def ask(connection: http.client.HTTPConnection, path: str = "/", method: str = "GET") -> tuple[int, bytes]:
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def ask_often(port: int, connections: int, requests: int) -> None:
    """Make requests on many connections at a time."""

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(requests):
            writer.write(GET)
            await reader.readuntil(BODY)
        writer.close()
        await writer.wait_closed()

    async def every() -> None:
        await asyncio.gather(*(one() for _ in range(connections)))

    asyncio.run(every())


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that answers at once; what it answers is looked at, not when."""
    with serving(tmp_path_factory.mktemp("at-once"), "--immediate") as server:
        yield server


def lognormal_cdf(value: float) -> float:
    return float(stats.norm.cdf(math.log(value / 40), scale=math.log(113.8 / 40) / stats.norm.ppf(0.95)))


def bimodal_cdf(value: float) -> float:
    return float(0.99 * stats.norm.cdf(value, 50, 2) + 0.01 * stats.norm.cdf(value, 400, 10))


@pytest.mark.parametrize(("name", "cdf"), [("lognormal", lognormal_cdf), ("bimodal", bimodal_cdf)])
def test_draws_follow_the_named_distribution(name: str, cdf: Callable[[float], float], tmp_path: Path) -> None:
    with serving(tmp_path, "--distribution", name) as server:
        ask_often(server.port, 200, 5)
        assert server.stop() == 0
    rows = server.rows()
    drawn = [row["drawn_ms"] for row in rows]
    assert len(drawn) == 1000
    # The seed is fixed, so this holds always or never; one draw in a thousand would miss by chance.
    for probability in (0.5, 0.95, 0.99):
        below = sum(cdf(value) <= probability for value in drawn)
        assert stats.binomtest(below, len(drawn), probability).pvalue > 0.001
    assert stats.kstest([cdf(value) for value in drawn], "uniform").pvalue > 0.001
    slow = [value for value in drawn if value > 200] if name == "bimodal" else []
    assert all(350 < value < 450 for value in slow)
    assert all(row["served_ms"] >= row["drawn_ms"] - 0.01 for row in rows)


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    draws = {}
    for name, seed in (("first", "3"), ("again", "3"), ("other", "4")):
        (tmp_path / name).mkdir()
        with serving(tmp_path / name, "--seed", seed) as server:
            ask_often(server.port, 30, 1)
            server.stop()
        draws[name] = sorted(server.drawn())
    assert draws["first"] == draws["again"]
    assert draws["first"] != draws["other"]


def test_a_constant_is_one(tmp_path: Path) -> None:
    with serving(tmp_path, "--distribution", "constant:12.5") as server, server.connect() as connection:
        ask(connection)
        ask(connection, "/large")
        assert server.stop(signal.SIGINT) == 0
    assert server.drawn() == [12.5, 12.5]


def test_warm_up_and_drift_follow_the_time_since_the_first_request(tmp_path: Path) -> None:
    shape = ["--warm-up", "0.4", "--warm-up-factor", "3", "--drift", "2:1"]
    with serving(tmp_path, "--distribution", "constant:10", *shape) as server, server.connect() as connection:
        ask(connection, "/health")
        time.sleep(0.1)
        for _ in range(5):
            ask(connection)
            time.sleep(0.1)
        server.stop()
    rows = server.rows()
    since = [row["arrived"] - rows[0]["arrived"] for row in rows]
    expected = [10 * (1 + at) * (3 - 2 * at / 0.4 if at < 0.4 else 1) for at in since]
    assert [row["drawn_ms"] for row in rows] == pytest.approx(expected, abs=0.05)
    assert rows[0]["drawn_ms"] == 30
    assert since[-1] > 0.4


def test_the_body_comes_in_pieces(tmp_path: Path) -> None:
    shape = ["--distribution", "constant:300", "--pieces", "4", "--gap", "80"]
    with serving(tmp_path, *shape) as server, socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(GET)
        reads: list[bytes] = []
        while not b"".join(reads).endswith(BODY):
            reads.append(client.recv(65536))
        server.stop()
    assert len(reads) == 4
    [row] = server.rows()
    assert row["served_ms"] >= row["drawn_ms"] == 300


def test_gaps_shrink_to_fit_the_draw(tmp_path: Path) -> None:
    shape = ["--distribution", "constant:20", "--pieces", "5", "--gap", "1000"]
    with serving(tmp_path, *shape) as server, server.connect() as connection:
        assert ask(connection) == (200, BODY)
        server.stop()
    assert server.rows()[0]["served_ms"] < 1000


def test_the_log_is_whole_after_sigterm(tmp_path: Path) -> None:
    before = time.time()
    with serving(tmp_path, "--distribution", "constant:5") as server, server.connect() as connection:
        for path in ("/health", "/", "/redirect", "/any/other?a=1"):
            ask(connection, path)
        assert server.stop() == 0
    assert server.log.read_text().splitlines()[0] == "arrived,drawn_ms,served_ms"
    rows = server.rows()
    assert len(rows) == 2
    assert all(before <= row["arrived"] <= time.time() for row in rows)


def test_the_log_is_written_while_it_runs_and_appended_to(tmp_path: Path) -> None:
    with serving(tmp_path, "--immediate") as server, server.connect() as connection:
        ask(connection)
        deadline = time.monotonic() + 10
        while not server.rows() and time.monotonic() < deadline:
            time.sleep(0.02)
        server.process.kill()
    assert len(server.rows()) == 1
    with serving(tmp_path, "--immediate") as server, server.connect() as connection:
        ask(connection)
        server.stop()
    assert len(server.rows()) == 2


def test_a_connection_serves_many_requests(at_once: Running) -> None:
    with at_once.connect() as connection:
        assert ask(connection) == (200, BODY)
        opened = connection.sock
        assert ask(connection, "/", "HEAD") == (200, b"")
        assert ask(connection, "/health") == (200, b"ok\n")
        connection.request("POST", "/any", body=b"x" * 200_000)
        assert connection.getresponse().read() == BODY
        status, body = ask(connection, "/large")
        assert (status, body) == (200, LARGE_BODY)
        assert len(body) == 300_000
        assert connection.sock is opened


def test_a_redirect_leads_to_the_root(at_once: Running) -> None:
    with at_once.connect() as connection:
        connection.request("GET", "/redirect")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Location"), answer.read()) == (302, "/", b"")


def test_requests_in_one_go_and_in_bits_are_answered(at_once: Running) -> None:
    with socket.create_connection(("127.0.0.1", at_once.port), 10) as client:
        client.sendall(GET * 300 + GET[:10])
        time.sleep(0.05)
        client.sendall(GET[10:])
        got = b""
        while got.count(BODY) < 301:
            got += client.recv(65536)
        assert got.count(b"HTTP/1.1 200 OK") == 301


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"x" * 100_000,
    ],
)
def test_a_connection_is_closed_where_it_should_be(at_once: Running, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", at_once.port), 10) as client:
        client.sendall(request_bytes)
        got = b""
        while more := client.recv(65536):
            got += more
    expected = b"200 OK" if request_bytes.startswith(b"GET") else b"400 Bad Request"
    assert got.startswith(b"HTTP/1.1 " + expected)
    assert b"Connection: close" in got


def test_it_listens_on_loopback_only(at_once: Running) -> None:
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", at_once.port), 2)


def test_tls_works_in_pieces_too(tmp_path: Path) -> None:
    shape = ["--distribution", "constant:20", "--tls", "--pieces", "3", "--gap", "2"]
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    with (
        serving(tmp_path, *shape) as server,
        contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=trusting)
        ) as connection,
    ):
        assert [ask(connection), ask(connection, "/large")] == [(200, BODY), (200, LARGE_BODY)]
        assert server.stop() == 0
    assert server.drawn() == [20, 20]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--port"),
        (["--port", "x"], "not a whole number"),
        (["--port", "65536"], "at most 65535"),
        (["--port", "0", "--distribution", "normal"], "none of lognormal, bimodal, constant:MS"),
        (["--port", "0", "--distribution", "constant:-1"], "none of lognormal"),
        (["--port", "0", "--distribution", "bimodal", "--immediate"], "not allowed with"),
        (["--port", "0", "--pieces", "0"], "at least 1"),
        (["--port", "0", "--gap", "nan"], "at least 0"),
        (["--port", "0", "--drift", "2"], "not FACTOR:SECONDS"),
        (["--port", "0", "--drift", "2:0"], "not FACTOR:SECONDS"),
        (["--port", "0", "--log", "/no/such/folder/log.csv"], "choose another --log"),
        (["--port", "{taken}"], "choose another --port"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(
    arguments: list[str], words: str, at_once: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    from perflab.calibration.server import main

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with pytest.raises(SystemExit) as ended:
            main([argument.replace("{taken}", str(at_once.port)) for argument in arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert ended.value.code == 2
    told = capfd.readouterr().err
    assert words in told
    assert told.count("\n") == 1
