"""Start, stop and kill: nothing is left behind, and what is to be kept is kept."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import httpx
import psutil
import pytest

from load_tests.platform_api.postgres import OwnPostgres

if TYPE_CHECKING:
    from .conftest import Api, StartApi

WaitUntil = Callable[..., None]
Refused = Callable[..., str]


def leftovers(directory: Path) -> list[str]:
    """Command lines of the processes that name this directory, and the directory itself."""
    found = [str(directory)] if directory.exists() else []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(directory) in line and "postgres" in line:
            found.append(line)
    return found


def rest_of_stdout(api: Api) -> str:
    assert api.process.stdout is not None
    return api.process.stdout.read()


def test_one_line_when_ready(start_api: StartApi) -> None:
    with start_api("--hash-cost", "4") as api:
        assert re.fullmatch(r"platform api ready on http://127\.0\.0\.1:\d+ \(PostgreSQL 18\.\d+\)\n", api.ready_line)
        with api.user() as user:
            user.get("/api/v1/payments")
            user.get("/nowhere")
        api.process.terminate()
        assert rest_of_stdout(api) == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(
    start_api: StartApi, capfd: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    with start_api("--hash-cost", "4", "--latency", "payments=60000") as api:
        directory = api.socket_dir()
        address = (httpx.URL(api.url).host, httpx.URL(api.url).port or 0)
        everything = [api.watcher(), *api.postgres()]
        with api.user() as user:
            token = user.headers["Authorization"]
        idle = [socket.create_connection(address) for _ in range(200)]
        try:
            for connection in idle:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            for connection in idle:
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            busy = f"GET /api/v1/payments HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
            idle[0].sendall(busy.encode())
            api.process.send_signal(number)
            assert api.process.wait(20) == 0
            # What the API started is gone when the API is, not some time later.
            assert leftovers(directory) == []
            assert not any(process.is_running() for process in everything)
            assert capfd.readouterr().err == ""
        finally:
            for connection in idle:
                connection.close()


@pytest.mark.parametrize("kept", [False, True])
def test_a_kill_leaves_nothing_behind(start_api: StartApi, wait_until: WaitUntil, data_dir: Path, kept: bool) -> None:
    options = ("--data-dir", str(data_dir)) if kept else ()
    with start_api(*options) as api:
        directory = api.socket_dir()
        everything = [api.watcher(), *api.postgres()]
        assert leftovers(directory)
        api.process.kill()
        wait_until(lambda: not any(p.is_running() for p in everything), "watcher and PostgreSQL are gone")
        assert leftovers(directory) == []
    assert (data_dir / "pgdata" / "PG_VERSION").exists() is kept


def test_the_next_start_clears_what_a_killed_watcher_leaves(start_api: StartApi, wait_until: WaitUntil) -> None:
    with tempfile.TemporaryDirectory(prefix="perflab-left-") as temporary:
        Path(temporary).chmod(0o755)
        with start_api(TMPDIR=temporary) as api, start_api(TMPDIR=temporary) as other:
            left, kept = api.socket_dir(), other.socket_dir()
            databases = api.postgres()
            for process in (api.watcher(), *databases):
                process.kill()
            wait_until(lambda: not any(p.is_running() for p in databases), "PostgreSQL is gone")
            assert left.exists()
            with start_api(TMPDIR=temporary) as third, other.client() as client:
                assert sorted(Path(temporary).iterdir()) == sorted([kept, third.socket_dir()])
                assert client.get("/health").status_code == 200
        assert list(Path(temporary).iterdir()) == []


def test_a_terminals_ctrl_c_reaches_the_api_alone(start_api: StartApi) -> None:
    with start_api() as api:
        group = os.getpgid(api.process.pid)
        for process in [api.watcher(), *api.postgres()]:
            assert os.getpgid(process.pid) != group
            assert os.getsid(process.pid) != os.getsid(api.process.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_watcher_outlives_signals(start_api: StartApi, number: signal.Signals) -> None:
    with start_api() as api, api.client() as client:
        directory = api.socket_dir()
        api.watcher().send_signal(number)
        assert client.get("/health").status_code == 200
        api.process.terminate()
        assert api.process.wait(20) == 0
        assert leftovers(directory) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_in_the_middle_of_the_start(
    start_api: StartApi, wait_until: WaitUntil, data_dir: Path, number: signal.Signals
) -> None:
    from .conftest import ROOT, command, environment

    with subprocess.Popen(
        command("--port", "0", "--data-dir", str(data_dir)),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until((data_dir / "pgdata.unfinished").exists, "initdb is at work")
        watcher = psutil.Process(process.pid).children()[0]
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
        assert process.returncode == (-9 if number == signal.SIGKILL else 0)
        assert (output, errors) == ("", "")
        wait_until(lambda: not watcher.is_running(), "the watcher is gone")
    assert [line for line in leftovers(data_dir) if line != str(data_dir)] == []
    with start_api("--data-dir", str(data_dir)) as api, api.client() as client:
        assert client.get("/health").status_code == 200


def test_a_named_directory_keeps_its_data(start_api: StartApi, data_dir: Path) -> None:
    options = ("--data-dir", str(data_dir / "new"), "--hash-cost", "4")
    body = {"email": "kept@example.com", "password": "long enough", "name": "Kept"}
    secret = {"PLATFORM_API_TOKEN_SECRET": "the same at every start"}
    with start_api(*options, **secret) as api, api.client() as client:
        assert client.post("/api/v1/auth/register", json=body).status_code == 201
    with start_api(*options, **secret) as api, api.client() as client:
        assert client.post("/api/v1/auth/register", json=body).status_code == 409
        client.post("/api/v1/auth/register", json=body | {"email": "second@example.com"})
        api.process.kill()
        api.process.wait(20)
        # At once: the next start waits until the killed one's PostgreSQL has let go.
        with start_api(*options, **secret) as next_api, next_api.client() as next_client:
            for email in ("kept@example.com", "second@example.com"):
                credentials = {"email": email, "password": body["password"]}
                assert next_client.post("/api/v1/auth/login", json=credentials).status_code == 200


def test_two_apis_on_one_data_directory(start_api: StartApi, refused: Refused, data_dir: Path) -> None:
    with start_api("--data-dir", str(data_dir)) as api, api.client() as client:
        line = refused("--port", "0", "--data-dir", str(data_dir))
        assert str(data_dir) in line
        assert "in use" in line
        assert client.get("/health").status_code == 200


def test_database_url_names_another_server(start_api: StartApi) -> None:
    with OwnPostgres() as server:
        dsn = server.dsn()
        with start_api("--hash-cost", "4", DATABASE_URL=dsn) as first, first.user() as user:
            assert psutil.Process(first.process.pid).children() == [], "no PostgreSQL of its own"
            with start_api("--hash-cost", "4", DATABASE_URL=dsn) as second:
                task = user.post("/api/v1/generation/create", json={"prompt": "p", "model": "m"}).json()
                # Random secrets: the second API must not take the first one's token.
                token = user.headers["Authorization"]
                path = f"{second.url}/api/v1/generation/{task['id']}"
                answer = httpx.get(path, headers={"Authorization": token}, trust_env=False)
                assert answer.status_code == 401
            assert user.get("/api/v1/generation/list").json()["items"][0]["id"] == task["id"]
        asyncio.run(assert_tables_are_apart(dsn))


async def assert_tables_are_apart(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT schemaname, tablename FROM pg_tables ORDER BY 2")
    finally:
        await connection.close()
    mine = {row["tablename"] for row in rows if row["schemaname"] == "platform_api"}
    assert mine == {"users", "generation_tasks", "payments"}
    assert not [row for row in rows if row["schemaname"] == "public"]


def test_a_lost_database_is_503_and_comes_back(start_api: StartApi, wait_until: WaitUntil, data_dir: Path) -> None:
    with start_api("--data-dir", str(data_dir)) as api, api.client() as client:
        postmaster = api.postgres()[0]
        backend = next(p for p in api.postgres() if "[local]" in " ".join(p.cmdline()))
        backend.kill()  # a crash of one makes PostgreSQL restart all of its processes
        wait_until(lambda: not backend.is_running(), "the crash is noticed")
        wait_until(lambda: client.get("/health").status_code == 200, "the API has connected again")
        postmaster.kill()
        wait_until(lambda: client.get("/health").status_code == 503, "the API tells that the database is gone")
        assert client.get("/health").json()["error"]["code"] == "database_unavailable"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pool-size", "0"), ("--pool-size", "0")),
        (("--latency", "nope=5"), ("--latency", "nope", "auth, generation, payments")),
        (("--host", "256.0.0.1"), ("256.0.0.1",)),
        (("--nope",), ("--nope",)),
    ],
)
def test_bad_flags(refused: Refused, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    line = refused(*options)
    for word in words:
        assert word in line


def test_bad_environment(refused: Refused) -> None:
    assert "PLATFORM_API_POOL_SIZE 0" in refused(PLATFORM_API_POOL_SIZE="0")
    line = refused(PLATFORM_API_TOKEN_SECRET="too-short-6f")
    assert "PLATFORM_API_TOKEN_SECRET" in line
    assert "too-short-6f" not in line


def test_a_port_in_use(api: Api, refused: Refused, data_dir: Path) -> None:
    port = str(httpx.URL(api.url).port)
    line = refused("--port", port, "--data-dir", str(data_dir))
    assert port in line
    assert not (data_dir).exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2x@127.0.0.1:{closed}/x",
        "mysql://me:hunter2x@127.0.0.1:{closed}/x",
        "postgresql://me:hunter2x@127.0.0.1:port/x",
        "nonsense",
    ],
)
def test_a_database_url_that_leads_nowhere(refused: Refused, url: str) -> None:
    with socket.socket() as bound:  # bound but not listening: a connection is refused
        bound.bind(("127.0.0.1", 0))
        line = refused("--port", "0", DATABASE_URL=url.format(closed=bound.getsockname()[1]))
    assert "hunter2x" not in line
    assert "PostgreSQL" in line or "DATABASE_URL" in line


def test_a_database_without_room_for_the_pool(refused: Refused) -> None:
    with OwnPostgres(pool_size=1) as server:
        line = refused("--port", "0", "--pool-size", "100", DATABASE_URL=server.dsn())
    assert "can't connect to PostgreSQL" in line


def test_data_dir_and_database_url_exclude_each_other(refused: Refused, data_dir: Path) -> None:
    line = refused("--data-dir", str(data_dir), DATABASE_URL="postgresql://localhost/x")
    assert "--data-dir" in line
    assert not (data_dir).exists()


def test_a_data_dir_that_is_a_file(refused: Refused, data_dir: Path) -> None:
    file = data_dir.parent / "file"
    file.write_text("mine")
    assert str(file) in refused("--port", "0", "--data-dir", str(file))
    assert file.read_text() == "mine"


def test_a_data_dir_of_another_postgres_version(refused: Refused, data_dir: Path) -> None:
    pgdata = data_dir / "pgdata"
    pgdata.mkdir(parents=True)
    (pgdata / "PG_VERSION").write_text("9\n")
    assert "PostgreSQL" in refused("--port", "0", "--data-dir", str(data_dir))
    assert (pgdata / "PG_VERSION").read_text() == "9\n"
