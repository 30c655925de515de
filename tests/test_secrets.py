"""What must not be written down is found in no file, log or report of a load test, nor on the terminal."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil
import pytest

from load_tests.platform_api.postgres import OwnPostgres

ROOT = Path(__file__).parents[1]
PASSWORD = "pa55-planted/word"
BEARER = "planted-bearer-7f3a"
COOKIE = "planted-cookie-91bc"
KEY = "MIIEvQplanted+Key/91bc=="
# What the reference API hands out: user id, expiry in ms, signature.
TOKEN = re.compile(rb"\b\d+\.\d{13}\.[\w-]{43}\b")

LEAKY = f"""
print("starting with password={PASSWORD}")
from locust import FastHttpUser, HttpUser, constant, task

HEADERS = {{"Authorization": "Bearer {BEARER}", "Cookie": "session={COOKIE}"}}

class Fast(FastHttpUser):
    wait_time = constant(0.2)
    @task
    def fails_with_all_it_has(self):
        with self.client.get("/no/such?access_token={BEARER}", headers=HEADERS, catch_response=True) as response:
            response.failure(f"refused with {{HEADERS}} and postgresql://u:{quote(PASSWORD, safe="")}@db/test")

class Slow(HttpUser):
    wait_time = constant(0.2)
    @task
    def raises(self):
        self.client.get("/health", headers=HEADERS, name="/health?token={BEARER}")
        print("sent Authorization: Bearer {BEARER}")
        raise RuntimeError("Cookie: session={COOKIE}; password={PASSWORD}")
"""


def leaks(folder: Path, *texts: str) -> list[str]:
    """Where one of the secrets stands, in whatever spelling."""
    secrets = [PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), BEARER, COOKIE]
    found = []
    contents = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    contents |= {f"output {number}": text.encode() for number, text in enumerate(texts)}
    for name, content in contents.items():
        found += [f"{secret} in {name}" for secret in secrets if secret.encode() in content]
        found += [f"{token.decode()} in {name}" for token in TOKEN.findall(content)]
    assert len(contents) > 20, contents.keys()
    return found


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    quick = {"LOAD_TEST_SETTLE_SECONDS": "1", "LOAD_TEST_WAIT_MIN": "0.1", "LOAD_TEST_WAIT_MAX": "0.2"}
    return {**os.environ, **quick, "LOAD_TEST_RUNS_DIR": str(tmp_path / "runs"), "PLATFORM_API_HASH_COST": "4"}


def test_a_load_test_on_a_seeded_database_writes_no_secret(tmp_path: Path, environment: dict[str, str]) -> None:
    with OwnPostgres() as postgres:
        dsn = asyncio.run(_database(postgres.dsn()))
        environment |= {
            "LOAD_TEST_DATABASE_URL": dsn,
            "LOAD_TEST_SEEDED_USERS": "20",
            "LOAD_TEST_SEEDED_PASSWORD": PASSWORD,
            "PLATFORM_API_TOKEN_SECRET": f"{BEARER}{COOKIE}",
            # Failures too: their messages are written down.
            "PLATFORM_API_ERROR_RATE": "generation=0.3",
        }
        seeded = run([sys.executable, "load_tests/data_seeder.py"], environment)
        assert "20 users" in seeded.stdout, seeded.stderr
        options = ["--users-max", "20", "--spawn-rate", "40", "--duration", "4", "--output", str(tmp_path / "out")]
        tested = run(["./scripts/run_load_tests.sh", *options], environment)
        # It was this database's accounts that logged in.
        assert tested.returncode == 1, tested.stdout + tested.stderr
        assert "http_503" in (tmp_path / "out" / "users-0020-r1" / "failures.csv").read_text()
        login = (tmp_path / "out" / "users-0020-r1" / "responses.csv").read_text()
        assert "/api/v1/auth/login,PaymentUser,ok,200" in login
        doctor = run([sys.executable, "-m", "perflab", "doctor", "--json"], environment)
        assert "load_test_db" in doctor.stdout
        refused = run(
            [sys.executable, "load_tests/data_seeder.py"], environment | {"LOAD_TEST_DATABASE_URL": dsn + "x"}
        )
        assert refused.returncode == 2
    texts = [text for done in (seeded, tested, doctor, refused) for text in (done.stdout, done.stderr)]
    assert leaks(tmp_path, *texts) == []


def test_failures_that_quote_their_request_write_no_secret(tmp_path: Path, environment: dict[str, str]) -> None:
    locustfile = tmp_path / "leaky.py"
    locustfile.write_text(LEAKY)
    launch = f"{shlex.quote(sys.executable)} -m load_tests.platform_api --port {{port}}"
    options = ["--users", "4", "--spawn-rate", "10", "--duration", "3", "--label", "leaky"]
    done = run(
        [sys.executable, "-m", "perflab", "sweep", "--locustfile", str(locustfile), "--launch", launch, *options],
        environment | {"LOAD_TEST_LAUNCH_NOTE": PASSWORD},
    )
    locustfile.unlink()
    assert "exceptions were raised" in done.stdout, done.stderr
    assert "http_404" in next((tmp_path / "runs").rglob("failures.csv")).read_text()
    assert leaks(tmp_path, done.stdout, done.stderr) == []


KILLED = f"""
import os
from locust import HttpUser, constant, task

os.write(1, b"before the recorder: password={PASSWORD}\\n")

class Tells(HttpUser):
    wait_time = constant(0.05)
    @task
    def tells(self):
        self.client.get("/health", name="http://bob:{PASSWORD}@host/x", headers={{"Authorization": "Bearer {BEARER}"}})
        os.system("echo -----BEGIN PRIVATE KEY-----; echo {KEY}; echo -----END PRIVATE KEY-----")
        os.write(2, b"raw: Cookie: session={COOKIE}\\n")
"""


def test_a_killed_perflab_leaves_no_secret_in_locusts_own_files(tmp_path: Path, environment: dict[str, str]) -> None:
    locustfile = tmp_path / "killed.py"
    locustfile.write_text(KILLED)
    launch = f"{shlex.quote(sys.executable)} -m load_tests.platform_api --port {{port}}"
    command = [sys.executable, "-m", "perflab", "run", "--locustfile", str(locustfile), "--launch", launch]
    perflab = subprocess.Popen(
        [*command, "--users", "2", "--duration", "60"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )
    runs = tmp_path / "runs"
    wait_for(lambda: any("raw: Cookie" in log.read_text() for log in runs.rglob("locust.log")))
    wait_for(lambda: any("@host/x" in table.read_text() for table in runs.rglob("latency.csv")))
    perflab.kill()
    perflab.wait()
    # Locust writes its files when it is ended, too.
    wait_for(lambda: not any(str(locustfile) in " ".join(one.info["cmdline"] or ()) for one in running()))
    locustfile.unlink()
    found = [path for path in runs.rglob("*") if path.is_file()]
    assert len(found) > 8
    secrets = [text.encode() for text in (PASSWORD, BEARER, COOKIE, KEY)]
    assert [path for path in found if any(secret in path.read_bytes() for secret in secrets)] == []


def running() -> Iterator[psutil.Process]:
    return psutil.process_iter(["cmdline"])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


async def _database(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE DATABASE load_test_db")
    await connection.execute(f"CREATE ROLE planted SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    await connection.close()
    return dsn.replace("postgres@/postgres?", f"planted:{quote(PASSWORD, safe='')}@/load_test_db?")
