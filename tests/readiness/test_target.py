"""The target: which one, may it be loaded, and how real servers come out."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from perflab.calibration.server import CERTIFICATE
from perflab.drive.target import free_port
from perflab.readiness.target import TIMES, check_allowed, check_api, check_target
from perflab.readiness.variables import Variables


class Server(ThreadingHTTPServer):
    """Answers everything with a status, after a while."""

    daemon_threads = True

    def __init__(self, status: int, wait_s: float, tls: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.wait_s, self.paths = status, wait_s, list[str]()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.host = f"http{'s' if tls else ''}://localhost:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is nothing to tell of."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        time.sleep(self.server.wait_s)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serve(status: int = 200, *, wait_s: float = 0.0, tls: bool = False) -> Iterator[Server]:
    with Server(status, wait_s, tls) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def test_an_api_that_is_well() -> None:
    with serve() as server:
        finding = check_api(server.host + "/base/")
        assert server.paths == ["/base/health"] * TIMES
    assert finding.result == "ok", finding
    figures = re.search(r"answers 200 in (\S+) ms: (\S+) to connect, (\S+) to answer", finding.found)
    assert figures is not None
    total, connect, answer = map(float, figures.groups())
    assert connect > 0
    assert total == pytest.approx(connect + answer, abs=0.11)


def test_a_slow_api() -> None:
    with serve(wait_s=0.21) as server:
        finding = check_api(server.host)
    assert finding.result == "warning"
    answer_ms = re.search(r"(\S+) to answer", finding.found)
    assert answer_ms is not None
    assert float(answer_ms[1]) >= 210
    assert "docker compose logs postgres" in finding.advice
    assert "--users 100" in finding.advice


@pytest.mark.parametrize(("status", "result"), [(500, "problem"), (503, "problem"), (404, "warning"), (302, "warning")])
def test_an_api_that_answers_otherwise(status: int, result: str) -> None:
    with serve(status) as server:
        finding = check_api(server.host)
    assert finding.result == result
    assert f"answers {status} in " in finding.found
    assert ("docker compose logs backend" in finding.advice) == (result == "problem")


def test_an_api_that_is_not_there() -> None:
    host = f"http://127.0.0.1:{free_port()}"
    finding = check_api(host)
    assert finding.result == "problem"
    assert finding.found == f"{host} can't be reached: Connection refused"
    assert "start the API" in finding.advice
    assert "docker compose logs backend" in finding.advice


def test_a_host_that_does_not_exist() -> None:
    assert check_api("http://no-such-host.invalid").result == "problem"


def test_an_api_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        finding = check_api(f"http://127.0.0.1:{hanging.getsockname()[1]}", timeout_s=0.1)
    assert finding.result == "problem"
    assert "did not answer within 0.1 s" in finding.found


def test_a_service_of_another_kind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"220 mail is spoken here\r\n")
                connection.recv(1000)

        threading.Thread(target=greet, daemon=True).start()
        finding = check_api(f"http://127.0.0.1:{other.getsockname()[1]}")
    assert finding.result == "problem"
    assert "does not speak HTTP" in finding.found


def test_a_certificate_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tls=True) as server:
        finding = check_api(server.host)
        assert finding.result == "warning"
        assert "its certificate is not trusted: self" in finding.found
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert check_api(server.host).result == "ok"


def test_nothing_is_asked_of_a_target_that_is_not_started_yet() -> None:
    assert check_api(None).result == "ok"
    assert check_allowed(None, []).result == "ok"


BOTH = Variables(
    {"LOAD_TEST_HOST": "http://by-variable", "LOAD_TEST_LAUNCH": "serve {port} --password hunter2"},
    {"LOAD_TEST_HOST": ".env.load-testing.local", "LOAD_TEST_LAUNCH": "the environment"},
)
LAUNCH = Variables({"LOAD_TEST_LAUNCH": "serve {port} --password hunter2"}, BOTH.origins)


@pytest.mark.parametrize(
    ("option", "variables", "host", "words"),
    [
        ("http://by-option", BOTH, "http://by-option", "by --host, over LOAD_TEST_HOST in .env.load-testing.local"),
        ("http://by-option", LAUNCH, "http://by-option", "http://by-option by --host"),
        (None, BOTH, "http://by-variable", "http://by-variable by LOAD_TEST_HOST in .env.load-testing.local"),
        (None, LAUNCH, None, "LOAD_TEST_LAUNCH in the environment starts the target"),
    ],
)
def test_which_host_is_in_force(option: str | None, variables: Variables, host: str | None, words: str) -> None:
    chosen, finding = check_target(option, None, variables)
    assert chosen == host
    assert finding.result == "ok"
    assert words in finding.found
    assert "hunter2" not in finding.found


@pytest.mark.parametrize(
    "host", ["http://u:hunter2@h", "u:hunter2@h", "http://u:hun@hunter2@h/x", "http://h?key=hunter2"]
)
def test_credentials_in_a_host_are_refused_and_not_shown(host: str) -> None:
    _, shown = check_target(host, None, Variables({}, {}))
    finding = check_allowed(host, [])
    assert finding.result == "problem"
    assert "hunter2" not in f"{shown} {finding}"


@pytest.mark.parametrize(
    ("host", "allowed", "result"),
    [
        ("http://localhost:8000", [], "ok"),
        ("https://127.0.0.2", [""], "ok"),
        ("http://staging.example", ["staging.example"], "ok"),
        ("http://staging.example:81", [" Staging.Example:81 "], "ok"),
        ("http://staging.example:82", ["staging.example:81"], "problem"),
        ("http://staging.example", ["example"], "problem"),
        ("http://staging.example", [], "problem"),
        ("staging.example", ["staging.example"], "problem"),
        ("http://[::1", [], "problem"),
        ("http://localhost:port", [], "problem"),
    ],
)
def test_where_load_may_go(host: str, allowed: list[str], result: str) -> None:
    finding = check_allowed(host, allowed)
    assert finding.result == result, finding
    assert bool(finding.advice) == (result == "problem")
    if "not this machine" in finding.found:
        assert "--allow-host staging.example" in finding.advice
