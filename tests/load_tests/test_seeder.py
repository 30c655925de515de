"""The seeder on a real PostgreSQL, and the suite and the API on what it seeded."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from load_tests.config import load_settings
from load_tests.data_seeder import Seeded, SeedingError, main, remove_test_data, seed_test_data
from load_tests.platform_api.database import create_schema
from load_tests.platform_api.postgres import OwnPostgres
from load_tests.utils import seeded_account

from .conftest import ROOT, Environment, RunLocust

SEEDER = ROOT / "load_tests" / "data_seeder.py"
PASSWORD = "a shared password"
BUSY = {"LOAD_TEST_WAIT_MIN": "0.03", "LOAD_TEST_WAIT_MAX": "0.1"}

# What does not depend on when and in which order rows were made.
CONTENTS = (
    "SELECT email, name, password_hash FROM platform_api.users ORDER BY email",
    "SELECT email, status, model, prompt FROM platform_api.generation_tasks"
    " JOIN platform_api.users ON users.id = user_id ORDER BY 1, 2, 3, 4",
    "SELECT email, idempotency_key, amount_cents, currency, description, status FROM platform_api.payments"
    " JOIN platform_api.users ON users.id = user_id ORDER BY 1, 2",
)
EVERYTHING = (
    "SELECT oid, relname FROM pg_class WHERE NOT relisshared AND relname !~ '^pg_' ORDER BY oid",
    "SELECT xmin, * FROM platform_api.users ORDER BY id",
    "SELECT xmin, * FROM platform_api.generation_tasks ORDER BY id",
    "SELECT xmin, * FROM platform_api.payments ORDER BY id",
)
ADD_FOREIGN = "INSERT INTO platform_api.users (email, name, password_hash) VALUES ($1, 'Somebody', 'x') RETURNING id"
ADD_PAYMENT = (
    "INSERT INTO platform_api.payments (user_id, idempotency_key, amount_cents, currency, description)"
    " VALUES ($1, 'key', 1, 'EUR', '')"
)
RAISE_AT_PAYMENT_30 = """
CREATE SEQUENCE public.payments_seen;
CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.payments_seen') = 30 THEN {} END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stop BEFORE INSERT ON platform_api.payments FOR EACH ROW EXECUTE FUNCTION public.stop();
"""
RAISE_AT_THE_LEDGER = """
CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_regnamespace('load_test') IS NOT NULL THEN RAISE 'no ledger here'; END IF;
END $$;
CREATE EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION public.stop();
"""


def query(database: str, *statements: str) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement."""

    async def run() -> list[list[tuple[Any, ...]]]:
        connection = await asyncpg.connect(database)
        try:
            return [[tuple(row) for row in await connection.fetch(statement)] for statement in statements]
        finally:
            await connection.close()

    return asyncio.run(run())


def execute(database: str, statement: str, *arguments: object) -> Any:
    """The first value that a statement returns; without arguments it may be several statements."""

    async def run() -> Any:
        connection = await asyncpg.connect(database)
        try:
            return await (connection.fetchval if arguments else connection.execute)(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())


def make_schema(database: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(database)
        async with connection.transaction():
            await create_schema(connection)
        await connection.close()

    asyncio.run(run())


def seed(database: str, count: int, number: int = 7, password: str = PASSWORD) -> Seeded:
    return asyncio.run(seed_test_data(database, count, seed=number, password=password))


@pytest.fixture(scope="module")
def make_database() -> Iterator[Callable[[str], str]]:
    """`make_database("name")`: the URL of a new database, on a PostgreSQL of the module's own."""
    numbers = itertools.count()
    with OwnPostgres(pool_size=30) as postgres:
        server = postgres.dsn()

        def make(name: str = "seed_test") -> str:
            unique = f"{name}_{next(numbers)}"
            execute(server, f"CREATE DATABASE {unique}")
            return server.replace("/postgres?", f"/{unique}?")

        yield make


@pytest.fixture
def database(make_database: Callable[..., str]) -> str:
    return make_database()


@contextmanager
def api_on(database: str, environment: Environment) -> Iterator[str]:
    command = [sys.executable, "-m", "load_tests.platform_api", "--port", "0", "--hash-cost", "4"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment | {"DATABASE_URL": database}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"ready on (http://\S+)", process.stdout.readline())
            assert found
            yield found[1]
        finally:
            process.terminate()
            process.wait(30)


def run_seeder(
    database: str | None, *options: str, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"LOAD_TEST_DATABASE_URL": database} if database else {}), **variables}
    return subprocess.run(
        [sys.executable, str(SEEDER), *options], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )


def test_what_is_made(database: str) -> None:
    done = seed(database, 200)
    users, tasks, payments = query(database, *CONTENTS)
    assert done == {
        "users_created": 200,
        "users_existing": 0,
        "users_refused": 0,
        "passwords_changed": 0,
        "generation_tasks_created": len(tasks),
        "payments_created": len(payments),
    }
    assert len(users) == 200
    assert {row[0] for row in users} == {seeded_account(7, number, "").email for number in range(200)}
    assert 350 < len(tasks) < 450
    assert 350 < len(payments) < 450
    # The API's background worker must find nothing to do in them.
    unfinished = "SELECT id FROM platform_api.generation_tasks WHERE status <> 'done' OR finished_at IS NULL"
    assert query(database, unfinished) == [[]]


def test_the_same_seed_makes_the_same_rows_and_a_larger_count_adds_to_them(
    make_database: Callable[..., str],
) -> None:
    at_once, in_steps, other_seed = make_database(), make_database(), make_database()
    seed(at_once, 2500)  # more than one batch
    seed(in_steps, 40)
    first = query(in_steps, *CONTENTS)
    more = seed(in_steps, 2500)
    assert (more["users_created"], more["users_existing"]) == (2460, 40)
    whole = query(at_once, *CONTENTS)
    assert query(in_steps, *CONTENTS) == whole
    assert all(set(part) < set(rows) for part, rows in zip(first, whole, strict=True))
    seed(other_seed, 40, number=8)
    for mine, others in zip(first, query(other_seed, *CONTENTS), strict=True):
        assert not set(mine) & set(others)


def test_a_second_time_nothing_changes(database: str) -> None:
    seed(database, 120)
    before = query(database, *EVERYTHING)
    again = seed(database, 120)
    assert query(database, *EVERYTHING) == before
    assert again["users_existing"] == 120
    assert {value for name, value in again.items() if name != "users_existing"} == {0}


def test_two_at_once_make_each_user_once(database: str) -> None:
    async def both() -> list[Seeded]:
        calls = (seed_test_data(database, count, seed=7, password=PASSWORD) for count in (300, 400))
        return await asyncio.gather(*calls)

    done = asyncio.run(both())
    assert sum(one["users_created"] for one in done) == 400
    users, tasks, payments = query(database, *CONTENTS)
    assert len(users) == 400
    assert len(tasks) == sum(one["generation_tasks_created"] for one in done)
    assert len(payments) == sum(one["payments_created"] for one in done)


def test_a_clean_up_removes_what_was_seeded_and_nothing_else(database: str) -> None:
    make_schema(database)
    taken, similar = seeded_account(7, 3, "").email, "x" + seeded_account(7, 4, "").email
    foreign = [execute(database, ADD_FOREIGN, email) for email in (taken, similar)]
    for user_id in foreign:
        execute(database, f"{ADD_PAYMENT} RETURNING id", user_id)
    before = query(database, *EVERYTHING[1:])

    done = seed(database, 20)
    assert (done["users_created"], done["users_refused"]) == (19, 1)
    seed(database, 5, number=8)
    seeded_id = execute(database, "SELECT id FROM platform_api.users WHERE email = $1", seeded_account(7, 0, "").email)
    execute(database, f"{ADD_PAYMENT} RETURNING id", seeded_id)
    counts = [len(rows) for rows in query(database, *CONTENTS)]

    removed = asyncio.run(remove_test_data(database))
    assert removed == {
        "users_removed": 24,
        "generation_tasks_removed": counts[1],
        "payments_removed": counts[2] - 2,
    }
    assert query(database, *EVERYTHING[1:]) == before
    assert set(asyncio.run(remove_test_data(database)).values()) == {0}


def test_a_ledger_of_former_tables_says_nothing_of_the_users_in_new_ones(database: str) -> None:
    seed(database, 10)
    execute(database, "DROP SCHEMA platform_api CASCADE")
    make_schema(database)
    foreign = execute(database, ADD_FOREIGN, seeded_account(7, 0, "").email)
    assert foreign == 1  # the id that the first seeded user had
    assert asyncio.run(remove_test_data(database))["users_removed"] == 0
    assert seed(database, 10)["users_created"] == 9
    # And of users who were deleted one by one.
    execute(
        database,
        "DELETE FROM platform_api.users USING load_test.seeded_users WHERE id = user_id AND number IN (4, 5, 6)",
    )
    assert seed(database, 10)["users_created"] == 3
    assert asyncio.run(remove_test_data(database))["users_removed"] == 9


@pytest.mark.parametrize("failure", ["RAISE 'no more payments';", "PERFORM pg_terminate_backend(pg_backend_pid());"])
def test_a_failure_half_way_leaves_nothing_behind(database: str, failure: str) -> None:
    make_schema(database)
    execute(database, ADD_FOREIGN, "somebody@example.com")
    execute(database, RAISE_AT_PAYMENT_30.format(failure))
    before = query(database, *EVERYTHING)
    with pytest.raises(SeedingError, match=r"nothing was changed: (no more payments|.*terminat)"):
        seed(database, 100)
    assert query(database, *EVERYTHING) == before
    assert execute(database, "SELECT last_value FROM public.payments_seen WHERE $1", True) == 30
    # The obstacle is past, and the next one meets nothing of the first.
    assert seed(database, 100)["users_created"] == 100


def test_a_failure_takes_the_schemas_along(database: str) -> None:
    execute(database, RAISE_AT_THE_LEDGER)
    with pytest.raises(SeedingError, match="no ledger here"):
        seed(database, 10)
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname IN ('platform_api', 'load_test')"
    assert query(database, schemas) == [[]]


def test_only_a_test_database_is_seeded(make_database: Callable[..., str]) -> None:
    database = make_database("production")
    for call in (lambda: seed_test_data(database, 5), lambda: remove_test_data(database)):
        with pytest.raises(SeedingError, match=r"'production_\d+' has no word 'test' in its name.*--force"):
            asyncio.run(call())
    assert query(database, "SELECT to_regnamespace('platform_api'), to_regnamespace('load_test')") == [[(None, None)]]
    done = asyncio.run(seed_test_data(database_url=database, test_user_count=5, force=True))
    assert done["users_created"] == 5


def test_as_a_command(database: str, tmp_path: Path) -> None:
    first = run_seeder(database, "--users", "30", "--seed", "3")
    assert (first.returncode, first.stderr) == (0, "")
    assert re.fullmatch(r"created 30 users, \d+ generation tasks and \d+ payments\n", first.stdout)
    # From another folder, with the count from the variable: nothing there tells where the project is.
    elsewhere = run_seeder(database, "--seed", "3", cwd=tmp_path, LOAD_TEST_SEEDED_USERS="31")
    assert (elsewhere.returncode, elsewhere.stderr) == (0, "")
    assert re.fullmatch(r"created 1 users, .*; 30 users were there already\n", elsewhere.stdout)
    assert seed(database, 1, number=3)["passwords_changed"] == 31
    removed = run_seeder(database, "--cleanup")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert removed.stdout.startswith("removed 31 users, ")
    # A hundred by default.
    assert run_seeder(database).stdout.startswith("created 100 users, ")


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        (None, [], "set LOAD_TEST_DATABASE_URL"),
        ("mysql://u:hush@localhost/test", [], "must be postgresql://"),
        ("postgresql://u:p@hush@localhost/test", [], "percent-encoded"),
        ("postgresql://u:pa/hush@localhost/test", [], "percent-encoded"),
        ("postgresql://u:1#hush@localhost/test", [], "percent-encoded"),
        ("postgresql://u:hush@localhost:port/test", [], "percent-encoded"),
        ("postgresql://u:hush@127.0.0.1:9/test", [], "can't connect to PostgreSQL at 127.0.0.1:9/test: "),
        ("postgresql://u:hush@/test?host=/nowhere", [], "can't connect to PostgreSQL at the local socket/test: "),
        ("postgresql://u@127.0.0.1:9/test?password=hush", [], "can't connect to PostgreSQL at 127.0.0.1:9/test: "),
        ("postgresql://u:hush@127.0.0.1:9/test", ["--users", "0"], "0 users"),
        ("postgresql://u:hush@127.0.0.1:9/test", ["--users", "many"], "--users"),
        ("postgresql://u:hush@127.0.0.1:9/test", ["--seed", "-1"], "seed -1"),
        ("postgresql://u:hush@127.0.0.1:9/test", ["--clean"], "--clean"),
    ],
)
def test_what_it_can_not_do_is_one_line_without_the_password(
    url: str | None,
    options: list[str],
    said: str,
    in_empty_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LOAD_TEST_DATABASE_URL", url or "")
    load_settings.cache_clear()
    try:
        assert main(options) == 2
    finally:
        load_settings.cache_clear()
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("data seeder: ")
    assert output.err.count("\n") == 1
    assert said in output.err
    assert "hush" not in output.err


def test_a_database_that_does_not_exist_is_named(database: str) -> None:
    done = run_seeder(re.sub(r"seed_test_\d+", "missing_test", database))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert 'database "missing_test" does not exist' in done.stderr


def test_seeded_users_log_in_and_see_their_data(database: str, clean_environment: Environment) -> None:
    seed(database, 12)
    _, tasks, payments = query(database, *CONTENTS)
    with api_on(database, clean_environment) as url, httpx.Client(base_url=url, trust_env=False) as client:

        def log_in(number: int, password: str) -> httpx.Response:
            account = seeded_account(7, number, password)
            return client.post("/api/v1/auth/login", json=account.credentials)

        seen = {"/api/v1/generation/list": 0, "/api/v1/payments": 0}
        for number in range(12):
            reply = log_in(number, PASSWORD)
            assert reply.status_code == 200
            bearer = {"Authorization": f"Bearer {reply.json()['access_token']}"}
            for path in seen:
                seen[path] += len(client.get(path, headers=bearer).json()["items"])
        assert list(seen.values()) == [len(tasks), len(payments)]

        changed = seed(database, 12, password="another password")
        assert (changed["users_created"], changed["passwords_changed"]) == (0, 12)
        assert [log_in(3, password).status_code for password in (PASSWORD, "another password")] == [401, 200]


@pytest.fixture(scope="module")
def seeded_api(make_database: Callable[..., str], clean_environment: Environment) -> Iterator[tuple[str, str]]:
    """An API on 30 seeded users, and its database."""
    database = make_database()
    seed(database, 30)
    with api_on(database, clean_environment) as url:
        yield url, database


SEEDED = {"LOAD_TEST_SEEDED_USERS": "30", "LOAD_TEST_SEEDED_PASSWORD": PASSWORD}


def test_the_suite_logs_in_with_seeded_users(seeded_api: tuple[str, str], run_locust: RunLocust) -> None:
    url, _ = seeded_api

    def enough(requests: list[dict[str, Any]]) -> bool:
        return len(requests) > 400 and len({request["name"] for request in requests}) == 8

    result = run_locust(url, "-u", "20", "-r", "20", until=enough, **SEEDED, **BUSY)
    assert result.failures == {}
    assert result.exit_code == 0, result.output
    # The one task that registers is AuthUser's: nobody registered to sign in.
    logins, registrations = (result.counts[f"POST /api/v1/auth/{what}"] for what in ("login", "register"))
    assert logins > registrations > 0


def test_workers_use_different_seeded_users(seeded_api: tuple[str, str], run_locust: RunLocust) -> None:
    url, database = seeded_api
    last = execute(database, "SELECT max(id) FROM platform_api.generation_tasks WHERE $1", True)
    result = run_locust(
        *(url, "--processes", "2", "-u", "8", "-r", "8", "GenerationUser"),
        until=lambda requests: len(requests) > 120,
        **SEEDED,
    )
    assert result.failures == {}
    assert result.counts["POST /api/v1/auth/login"] == 8
    assert result.counts["POST /api/v1/auth/register"] == 0
    authors = execute(database, "SELECT count(DISTINCT user_id) FROM platform_api.generation_tasks WHERE id > $1", last)
    assert authors == 8


def test_users_who_are_not_there_fail_to_log_in_and_register(platform_api: str, run_locust: RunLocust) -> None:
    classes = ("GenerationUser", "PaymentUser")
    result = run_locust(platform_api, "-u", "6", "-r", "6", *classes, until=lambda seen: len(seen) > 60, **SEEDED)
    assert result.failures == {("/api/v1/auth/login", "CatchResponseError('status 401')"): 6}
    assert result.counts["POST /api/v1/auth/register"] == 6
    assert result.counts["POST /api/v1/generation/create"] > 0
