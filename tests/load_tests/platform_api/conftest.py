"""A real Platform API per session, and the means to start others."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "correct horse battery"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Api:
    """A running API: its process, base URL, and the line it printed when ready."""

    process: subprocess.Popen[str]
    url: str
    ready_line: str

    def watcher(self) -> psutil.Process:
        (watcher,) = psutil.Process(self.process.pid).children()
        return watcher

    def postgres(self) -> list[psutil.Process]:
        """The own PostgreSQL's processes, the postmaster first."""
        return self.watcher().children(recursive=True)

    def socket_dir(self) -> Path:
        flags = self.postgres()[0].cmdline()
        return Path(next(f for f in flags if f.startswith("unix_socket_directories=")).partition("=")[2])

    def dsn(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.socket_dir()}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=20)

    def user(self) -> httpx.Client:
        """A client with the token of a new user."""
        with self.client() as anonymous:
            answer = anonymous.post("/api/v1/auth/register", json=registration())
        assert answer.status_code == 201, answer.text
        client = self.client()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client


StartApi = Callable[..., AbstractContextManager[Api]]


def registration() -> dict[str, str]:
    return {"email": f"user-{next(_numbers)}@example.com", "password": PASSWORD, "name": "Ada"}


def environment(**variables: str) -> dict[str, str]:
    steering = ("DATABASE_URL", "REDIS_URL", "PLATFORM_API_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
    return kept | variables


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "load_tests.platform_api", *options]


@contextmanager
def _running(*options: str, **variables: str) -> Iterator[Api]:
    with subprocess.Popen(
        command("--port", "0", *options),
        cwd=ROOT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert " ready on " in line, f"not ready: {line!r}"
            yield Api(process, line.split()[4], line)
        finally:
            process.terminate()
            process.wait(20)


def _wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {timeout_s} s: {what}"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def start_api() -> StartApi:
    """`with start_api("--hash-cost", "1", DATABASE_URL=...) as api`: an API of one's own."""
    return _running


@pytest.fixture(scope="session")
def api(start_api: StartApi) -> Iterator[Api]:
    """The API that most tests share; its tasks are done quickly."""
    with start_api("--hash-cost", "4", "--queued-ms", "50", "--running-ms", "50") as running:
        yield running


@pytest.fixture
def user(api: Api) -> Iterator[httpx.Client]:
    with api.user() as client:
        yield client


@pytest.fixture
def other_user(api: Api) -> Iterator[httpx.Client]:
    with api.user() as client:
        yield client


@pytest.fixture
def anonymous(api: Api) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory to be made, in a place that PostgreSQL's own account reaches when root runs the tests."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o711)
        yield Path(parent) / "data"


@pytest.fixture
def new_registration() -> Callable[[], dict[str, str]]:
    return registration


@pytest.fixture
def wait_until() -> Callable[..., None]:
    return _wait_until


@pytest.fixture
def refused() -> Callable[..., str]:
    """Start an API that must not start; returns the one line it says why."""

    def run(*options: str, **variables: str) -> str:
        done = subprocess.run(
            command(*options), cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout) == (2, ""), done
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("platform api: ")
        return done.stderr

    return run
