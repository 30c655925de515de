"""The real Platform API and real Locust processes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCUST = (sys.executable, "-m", "locust")
LOCUSTFILE = ROOT / "load_tests" / "locustfile.py"
REQUEST_LOG = Path(__file__).with_name("request_log.py")
STEERING = re.compile(
    r"^(LOCUST|LOAD_TEST|AUTH|GENERATION|PAYMENTS|PLATFORM_API|DATABASE|REDIS)_|_proxy$", re.IGNORECASE
)


Environment = dict[str, str]
Requests = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LocustResult:
    """One finished Locust process with all its requests, as the request log has them."""

    exit_code: int
    output: str
    requests: Requests

    @property
    def counts(self) -> Counter[str]:
        """Requests by method and route."""
        return Counter(f"{request['method']} {request['name']}" for request in self.requests)

    @property
    def failures(self) -> Counter[tuple[str, str]]:
        """Failures by route and error."""
        return Counter((request["name"], request["error"]) for request in self.requests if request["error"])


def read_requests(log: Path) -> Requests:
    """The whole lines of a request log, which may still be written."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Look ten times a second until something is so; fail if it never is."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.1)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


StartApi = Callable[..., AbstractContextManager[str]]
RunLocust = Callable[..., LocustResult]


@pytest.fixture(scope="session")
def clean_environment() -> Environment:
    """The environment without what steers Locust, the suite or the API; quick think times and a fixed seed."""
    kept = {name: value for name, value in os.environ.items() if not STEERING.search(name)}
    quick = {"LOAD_TEST_WAIT_MIN": "0.05", "LOAD_TEST_WAIT_MAX": "0.2", "LOAD_TEST_SEED": "7"}
    return kept | quick


@pytest.fixture(scope="session")
def start_platform_api(tmp_path_factory: pytest.TempPathFactory, clean_environment: Environment) -> StartApi:
    """`with start_platform_api("--option", ...) as url`: the API on an own database, both gone afterwards."""

    @contextmanager
    def start(*options: str) -> Iterator[str]:
        log = tmp_path_factory.mktemp("platform_api") / "stderr.log"
        command = [sys.executable, "-m", "load_tests.platform_api", "--port", "0", *options]
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command, cwd=ROOT, env=clean_environment, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            assert process.stdout is not None
            try:
                ready = process.stdout.readline()
                found = re.search(r"ready on (http://\S+)", ready)
                assert found, f"not ready: {ready!r} {log.read_text()}"
                yield found[1]
            finally:
                process.terminate()
                process.wait(30)

    return start


@pytest.fixture(scope="session")
def platform_api(start_platform_api: StartApi) -> Iterator[str]:
    """Base URL of an API that tests share; cheap password hashes."""
    with start_platform_api("--hash-cost", "4") as url:
        yield url


@pytest.fixture(scope="session")
def run_locust(tmp_path_factory: pytest.TempPathFactory, clean_environment: Environment) -> RunLocust:
    """`run_locust(url, *options, until=..., **variables)`: the suite, headless, to its end.

    The end is `-t`, a minute if not given, or when `until` is true of the requests so far.
    """

    def run(
        url: str, *options: str, until: Callable[[Requests], bool] = lambda _: False, **variables: str
    ) -> LocustResult:
        folder = tmp_path_factory.mktemp("locust")
        log, output = folder / "requests.jsonl", folder / "output.txt"
        log.touch()
        files = f"{LOCUSTFILE},{REQUEST_LOG}"
        with (
            output.open("wb") as console,
            subprocess.Popen(
                [*LOCUST, "-f", files, "-H", url, "--headless", "--only-summary", "-t", "60s", *options],
                cwd=ROOT,
                env=clean_environment | {"REQUEST_LOG": str(log)} | variables,
                stdout=console,
                stderr=subprocess.STDOUT,
            ) as locust,
        ):
            try:
                wait_until(lambda: locust.poll() is not None or until(read_requests(log)), 90)
            finally:
                locust.terminate()
                locust.wait(30)
        return LocustResult(locust.returncode, output.read_text(), read_requests(log))

    return run
