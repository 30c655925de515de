"""The cache of generation listings, on a real Redis: never a page older than an own create, never an error."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from load_tests.platform_api.cache import ListingCache, open_listing_cache
from load_tests.platform_api.database import identity
from load_tests.platform_api.postgres import OwnPostgres
from load_tests.platform_api.web import Page
from tests.parts.redis_server import RedisServer

if TYPE_CHECKING:
    from .conftest import StartApi

WaitUntil = Callable[..., None]
CREATE = "/api/v1/generation/create"
LIST = "/api/v1/generation/list"
TASK = {"prompt": "a lighthouse at dusk", "model": "small-1"}
ME, OTHER = 7, 8
FIRST = Page(limit=20)
OPTIONS = ("--hash-cost", "4", "--cache-ttl-seconds", "600")


@pytest.fixture(scope="module")
def shared_redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with OwnPostgres() as server:
        yield server.dsn()


def behind_its_back(dsn: str, statement: str) -> None:
    """Change the database without the API's knowledge, so that a kept page can be told from a new one."""

    async def execute() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute())


def rename_tasks(dsn: str, model: str) -> None:
    behind_its_back(dsn, f"UPDATE platform_api.generation_tasks SET model = '{model}'")  # noqa: S608


def models(user: httpx.Client, **parameters: int) -> list[str]:
    answer = user.get(LIST, params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return [item["model"] for item in answer.json()["items"]]


def create(user: httpx.Client) -> None:
    assert user.post(CREATE, json=TASK).status_code == 201


def warnings(log: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """What the API has logged so far, line by line."""
    lines: list[str] = []

    def read() -> list[str]:
        lines.extend(log.readouterr().err.splitlines())
        return lines

    return read


def test_a_page_is_kept_until_its_user_creates_a_task(start_api: StartApi, redis_server: RedisServer, dsn: str) -> None:
    with (
        start_api(*OPTIONS, DATABASE_URL=dsn, REDIS_URL=redis_server.url) as api,
        api.user() as user,
        api.user() as other,
    ):
        create(user)
        create(user)
        create(other)
        assert (models(user), models(other)) == (["small-1"] * 2, ["small-1"])
        rename_tasks(dsn, "changed")
        assert (models(user), models(other)) == (["small-1"] * 2, ["small-1"]), "both are kept"
        assert models(user, limit=1) == ["changed"], "another page is another entry"
        create(user)
        assert models(user) == ["small-1", "changed", "changed"]
        assert models(user, limit=1) == ["small-1"]
        assert models(other) == ["small-1"], "another user's page is still kept"


def test_two_apis_share_one_cache(start_api: StartApi, redis_server: RedisServer, dsn: str) -> None:
    variables = {
        "DATABASE_URL": dsn,
        "REDIS_URL": redis_server.url,
        "PLATFORM_API_TOKEN_SECRET": "the same for the two of them",
    }
    with (
        start_api(*OPTIONS, **variables) as first,
        start_api(*OPTIONS, **variables) as second,
        first.user() as user,
        second.client() as same_user,
    ):
        same_user.headers = user.headers
        create(user)
        assert models(user) == ["small-1"]
        rename_tasks(dsn, "changed")
        assert models(same_user) == ["small-1"], "what the first API read, the second has"
        create(same_user)
        assert models(user) == ["small-1", "changed"], "what the second API made, the first shows at once"


def test_databases_on_one_redis_stay_apart(start_api: StartApi, redis_server: RedisServer, dsn: str) -> None:
    behind_its_back(dsn, "CREATE DATABASE one")
    behind_its_back(dsn, "CREATE DATABASE two")
    one, two = (dsn.replace("/postgres?", f"/{name}?") for name in ("one", "two"))
    with (
        start_api(*OPTIONS, DATABASE_URL=one, REDIS_URL=redis_server.url) as first,
        start_api(*OPTIONS, DATABASE_URL=two, REDIS_URL=redis_server.url) as second,
        first.user() as user,
        second.user() as namesake,
    ):
        create(user)
        assert models(user) == ["small-1"]
        # In either database it is the first user, so both have the same id.
        assert models(namesake) == []


def test_a_database_has_one_name_for_every_account(dsn: str) -> None:
    behind_its_back(dsn, "CREATE ROLE plain LOGIN")

    async def names() -> list[str]:
        found = []
        for address in (dsn, dsn.replace("postgres@", "plain@"), dsn.replace("/postgres?", "/template1?")):
            async with asyncpg.create_pool(address, min_size=1, max_size=1) as pool:
                found.append(await identity(pool))
        return found

    superuser, plain, other_database = asyncio.run(names())
    assert superuser == plain
    assert other_database != plain


def test_without_redis_listings_come_from_postgresql(
    start_api: StartApi, dsn: str, capfd: pytest.CaptureFixture[str], wait_until: WaitUntil
) -> None:
    log = warnings(capfd)
    with (
        RedisServer(password="hunter2x") as server,
        start_api(*OPTIONS, DATABASE_URL=dsn, REDIS_URL=server.url) as api,
        api.user() as user,
    ):
        create(user)
        assert models(user) == ["small-1"]
        server.kill()
        rename_tasks(dsn, "changed")
        for _ in range(3):
            assert models(user)[-1] == "changed"
            create(user)
        assert len(log()) == 1, "one line, however many requests"
        assert log()[0].startswith("generation listings are not cached until Redis answers: ")

        server.start()
        wait_until(lambda: len(log()) == 2, "the API has found Redis again")
        assert log()[1] == "generation listings are cached again"
        assert len(models(user)) == 4
        rename_tasks(dsn, "changed again")
        assert "changed again" not in models(user), "the page is kept"
    assert "hunter2x" not in "\n".join(log())


def test_a_create_while_redis_hangs_outdates_the_kept_page(
    start_api: StartApi, dsn: str, capfd: pytest.CaptureFixture[str], wait_until: WaitUntil
) -> None:
    log = warnings(capfd)
    with (
        RedisServer() as server,
        start_api(*OPTIONS, DATABASE_URL=dsn, REDIS_URL=server.url) as api,
        api.user() as user,
    ):
        create(user)
        assert len(models(user)) == 1
        server.hang()
        assert len(models(user)) == 1, "read from PostgreSQL, and Redis is given up"
        create(user)
        server.go_on()
        # Redis still has the page with one task, and has heard of no create.
        wait_until(lambda: len(log()) == 2, "the API has found Redis again")
        assert len(models(user)) == 2


def test_redis_may_come_after_the_api(
    start_api: StartApi, dsn: str, capfd: pytest.CaptureFixture[str], wait_until: WaitUntil
) -> None:
    log = warnings(capfd)
    server = RedisServer()
    with start_api(*OPTIONS, DATABASE_URL=dsn, REDIS_URL=server.url) as api, api.user() as user:
        create(user)
        assert models(user) == ["small-1"]
        with server:
            wait_until(lambda: len(log()) == 2, "the API has found Redis")
            assert models(user) == ["small-1"]
            rename_tasks(dsn, "changed")
            assert models(user) == ["small-1"], "the page is kept"


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2x@localhost:6379",
        "redis://me:hunter2x@localhost:port",
        "redis://me:hunter2x@localhost:6379/first",
        "redis://me:hunter2x@localhost:6379/0?nonsense=hunter2x",
        "redis://me:hunter2x@localhost:6379/0?socket_timeout=hunter2x",
        "hunter2x",
    ],
)
def test_an_address_that_can_not_be(refused: Callable[..., str], dsn: str, url: str) -> None:
    line = refused("--port", "0", DATABASE_URL=dsn, REDIS_URL=url)
    assert "REDIS_URL" in line
    assert "redis://user:password@host:port/number" in line
    assert "hunter2x" not in line


def test_a_redis_that_refuses(refused: Callable[..., str], redis_server: RedisServer, dsn: str) -> None:
    with RedisServer(password="correct") as locked:
        for url in (locked.url.replace("correct", "hunter2x"), locked.url.replace(":correct@", "")):
            line = refused("--port", "0", DATABASE_URL=dsn, REDIS_URL=url)
            assert "REDIS_URL" in line
            assert "hunter2x" not in line
    line = refused("--port", "0", DATABASE_URL=dsn, REDIS_URL=f"{redis_server.url[:-1]}4711")
    assert "index is out of range" in line


def test_redis_is_not_even_imported_unless_it_is_used() -> None:
    code = "import sys, load_tests.platform_api.server; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


class Rows:
    """Stands where PostgreSQL does: what is there now, and how often it was read."""

    def __init__(self) -> None:
        self.now = b"[]"
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        return self.now


def with_cache(server: RedisServer, play: Callable[[ListingCache], Awaitable[None]], ttl_s: float = 600) -> None:
    async def run() -> None:
        async with open_listing_cache(server.url, "scope", ttl_s) as cache:
            await play(cache)

    asyncio.run(run())


def test_a_slow_reader_can_not_bring_back_what_a_create_has_outdated(redis_server: RedisServer) -> None:
    async def play(cache: ListingCache) -> None:
        rows, has_read, may_store = Rows(), asyncio.Event(), asyncio.Event()

        async def read_slowly() -> bytes:
            found = await rows.read()
            has_read.set()
            await may_store.wait()
            return found

        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(cache.page(ME, FIRST, read_slowly))
            await has_read.wait()
            rows.now = b"[1]"
            await cache.drop(ME)
            may_store.set()
        assert slow.result() == b"[]", "its request began before the create's answer"
        assert await cache.page(ME, FIRST, rows.read) == b"[1]"

    with_cache(redis_server, play)


def test_a_version_that_redis_has_forgotten_brings_no_page_back(redis_server: RedisServer) -> None:
    async def play(cache: ListingCache) -> None:
        rows = Rows()
        await cache.page(ME, FIRST, rows.read)
        rows.now = b"[1]"
        await cache.drop(ME)
        with redis_server.client() as client:
            (version_key,) = (key for key in client.scan_iter("*") if key.endswith(f":{ME}".encode()))
            client.delete(version_key)
        assert await cache.page(ME, FIRST, rows.read) == b"[1]"

    with_cache(redis_server, play)


def test_users_and_pages_have_entries_of_their_own(redis_server: RedisServer) -> None:
    async def play(cache: ListingCache) -> None:
        rows = Rows()
        for user, page in ((ME, FIRST), (OTHER, FIRST), (ME, Page(limit=2)), (ME, Page(limit=20, before=2))):
            reads = rows.reads
            await cache.page(user, page, rows.read)
            await cache.page(user, page, rows.read)
            assert rows.reads == reads + 1
        await cache.drop(ME)
        await cache.page(OTHER, FIRST, rows.read)
        assert rows.reads == 4
        await cache.page(ME, Page(limit=2), rows.read)
        assert rows.reads == 5

    with_cache(redis_server, play)


def test_a_page_expires(redis_server: RedisServer) -> None:
    async def play(cache: ListingCache) -> None:
        rows = Rows()
        await cache.page(ME, FIRST, rows.read)
        while rows.reads < 2:
            await asyncio.sleep(0.02)
            await cache.page(ME, FIRST, rows.read)

    with_cache(redis_server, play, ttl_s=0.1)
    with redis_server.client() as client:
        assert all(client.pttl(key) > 0 for key in client.scan_iter("*")), "nothing stays in Redis for good"


def test_a_failing_database_is_not_the_caches_business(redis_server: RedisServer) -> None:
    async def fail() -> bytes:
        raise ConnectionResetError("the database is gone")

    async def play(cache: ListingCache) -> None:
        with pytest.raises(ConnectionResetError):
            await cache.page(ME, FIRST, fail)
        rows = Rows()
        await cache.page(ME, FIRST, rows.read)
        await cache.page(ME, FIRST, rows.read)
        assert rows.reads == 1, "the cache is still in use"

    with_cache(redis_server, play)


def test_what_was_owed_is_paid_before_any_page_is_believed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with RedisServer() as server:

        async def play(cache: ListingCache) -> None:
            rows = Rows()
            for user in range(1, 200):
                await cache.page(user, FIRST, rows.read)
            server.hang()
            rows.now = b"[1]"
            for user in range(1, 200):
                await cache.drop(user)
            server.go_on()
            while len(caplog.messages) < 2:
                await asyncio.sleep(0.02)
            pages = [await cache.page(user, FIRST, rows.read) for user in range(1, 200)]
            assert set(pages) == {b"[1]"}

        with_cache(server, play)
