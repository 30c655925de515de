"""The database check against a real PostgreSQL, up and down."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from load_tests.platform_api.postgres import OwnPostgres
from perflab.drive.target import free_port
from perflab.readiness.database import check_database
from perflab.readiness.finding import Finding


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The DSN of a server that takes about twenty connections."""
    with OwnPostgres(pool_size=1) as postgres:
        dsn = postgres.dsn()

        async def prepare() -> None:
            connection = await asyncpg.connect(dsn)
            await connection.execute("CREATE DATABASE load_test_db")
            await connection.execute("CREATE ROLE reader LOGIN")
            await connection.close()

        asyncio.run(prepare())
        yield dsn


def of(dsn: str, database: str, user: str = "postgres") -> str:
    return f"postgresql://{user}@/{database}?{urlsplit(dsn).query}"


# A reader sees no other sessions in pg_stat_activity.
@pytest.mark.parametrize("user", ["postgres", "reader"])
def test_a_database_for_tests(server: str, user: str) -> None:
    finding = check_database(of(server, "load_test_db", user))
    assert finding.result == "ok", finding
    assert re.fullmatch(r"PostgreSQL \d+\.\S+, 'load_test_db', [1-5] of 2\d connections in use", finding.found)


def test_a_database_that_is_for_something_else(server: str) -> None:
    finding = check_database(of(server, "postgres"))
    assert finding.result == "warning"
    assert "has no word 'test' in it" in finding.found


def test_few_connections_are_left(server: str) -> None:
    async def crowd() -> Finding:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(17):
                connection = await asyncpg.connect(server)
                stack.push_async_callback(connection.close)
            return await asyncio.to_thread(check_database, of(server, "load_test_db", "reader"))

    finding = asyncio.run(crowd())
    assert finding.result == "warning"
    # PostgreSQL's own workers come and go.
    assert re.search(r"(18|19|20) of 21 connections in use", finding.found)
    assert "max_connections" in finding.advice


def test_a_database_that_is_not_there(server: str) -> None:
    finding = check_database(of(server, "no_test"))
    assert finding.result == "problem"
    assert 'database "no_test" does not exist' in finding.found


def test_no_server() -> None:
    finding = check_database(f"postgresql://u:hunter2@127.0.0.1:{free_port()}/load_test_db")
    assert finding.result == "problem"
    assert finding.found == "it can't be reached: Connection refused"
    assert "docker compose logs postgres" in finding.advice


def test_a_socket_that_is_not_there() -> None:
    finding = check_database("postgresql://u:hunter2@/load_test_db?host=/nowhere")
    assert (finding.result, finding.found) == ("problem", "it can't be reached: No such file or directory")


def test_a_server_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"postgresql://u:hunter2@127.0.0.1:{hanging.getsockname()[1]}/load_test_db"
        finding = check_database(url, timeout_s=0.2)
    assert finding.result == "problem"
    assert "no answer within 0.2 s" in finding.found


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "mysql://u:hunter2@h/test",
        "postgresql://u:1/hunter2@h/test",
        "postgresql://u:hunter2/x@h/test",
        "postgresql://u:hunter2#x@h/test",
        "postgresql://u:hunter2@h:port/test",
        "postgresql://u:x@hunter2@no-such-host.invalid/test",
        "postgresql://u:x@h/test?sslmode=hunter2",
        "postgresql://[hunter2/test",
    ],
)
def test_no_part_of_the_address_is_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "/nowhere")
    finding = check_database(url, timeout_s=2.0)
    assert finding.result == "problem"
    assert "hunter2" not in str(finding)


def test_none_is_fine() -> None:
    finding = check_database(None)
    assert finding.result == "ok"
    assert "no seeding" in finding.found
