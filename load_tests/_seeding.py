"""What the data seeder does inside its one transaction: stage rows, insert those of new users, remove what is its own.

Rows are staged in temporary tables first. That takes nearly all of the time and locks nothing that others use; the
inserts that follow are short. What was made is entered in `load_test.seeded_users`, by user id and moment of creation:
in a database that was emptied behind the ledger's back an id may come again, together with its moment it does not.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Iterable

import asyncpg

from load_tests.config import is_database_url
from load_tests.platform_api.database import create_schema
from load_tests.platform_api.passwords import hash_password
from load_tests.platform_api.settings import HASH_COST
from load_tests.utils import seeded_data
from perflab.plan.hosts import is_for_tests

_CONNECT_TIMEOUT_S = 5
_CLOSE_TIMEOUT_S = 1
_LOCK = 7_205_759_404  # any number, the same for all seeders

_BATCH_USERS = 2000  # bounds the memory: about 10 000 rows at a time
_MAX_TASKS = _MAX_PAYMENTS = 4  # a user has from 0 to so many of each, 2 on average

_LEDGER = """
CREATE SCHEMA IF NOT EXISTS load_test;
CREATE TABLE load_test.seeded_users (
    seed bigint,
    number integer,
    user_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (seed, number)
);
"""
_STAGING = """
CREATE TEMPORARY TABLE staged_users (number integer, email text, name text) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_tasks (number integer, model text, prompt text) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_payments
    (number integer, idempotency_key text, amount_cents bigint, currency text, description text) ON COMMIT DROP;
CREATE TEMPORARY TABLE new_users (number integer, user_id bigint, created_at timestamptz) ON COMMIT DROP;
"""
_SCHEMA_EXISTS = "SELECT to_regclass('platform_api.payments') IS NOT NULL"
_LEDGER_EXISTS = "SELECT to_regclass('load_test.seeded_users') IS NOT NULL"
_SEEDED = """(
    SELECT id, seed, number FROM load_test.seeded_users
    JOIN platform_api.users ON id = user_id AND users.created_at = seeded_users.created_at
) AS seeded"""
_MISSING = f"""
SELECT number FROM generate_series(0, $2 - 1) AS wanted (number)
WHERE NOT EXISTS (SELECT FROM {_SEEDED} WHERE seeded.seed = $1 AND seeded.number = wanted.number)
ORDER BY number
"""  # noqa: S608
_INSERT_USERS = """
WITH created AS (
    INSERT INTO platform_api.users (email, name, password_hash)
    SELECT email, name, $1 FROM staged_users ORDER BY number
    ON CONFLICT (email) DO NOTHING RETURNING id, email, created_at
)
INSERT INTO new_users SELECT number, id, created_at FROM created JOIN staged_users USING (email)
"""
_INSERT_ENTRIES = """
INSERT INTO load_test.seeded_users (seed, number, user_id, created_at)
SELECT $1, number, user_id, created_at FROM new_users
ON CONFLICT (seed, number) DO UPDATE SET user_id = EXCLUDED.user_id, created_at = EXCLUDED.created_at
"""
_INSERT_TASKS = """
INSERT INTO platform_api.generation_tasks (user_id, status, model, prompt, next_step_at, finished_at)
SELECT user_id, 'done', model, prompt, now(), now() FROM staged_tasks JOIN new_users USING (number)
"""
_INSERT_PAYMENTS = """
INSERT INTO platform_api.payments (user_id, idempotency_key, amount_cents, currency, description)
SELECT user_id, idempotency_key, amount_cents, currency, description FROM staged_payments JOIN new_users USING (number)
"""
_CHANGE_PASSWORDS = f"""
UPDATE platform_api.users SET password_hash = $1 FROM {_SEEDED}
WHERE users.id = seeded.id AND seeded.seed = $2 AND users.password_hash <> $1
"""  # noqa: S608
_REMOVE_TASKS = f"DELETE FROM platform_api.generation_tasks USING {_SEEDED} WHERE user_id = seeded.id"  # noqa: S608
_REMOVE_PAYMENTS = f"DELETE FROM platform_api.payments USING {_SEEDED} WHERE user_id = seeded.id"  # noqa: S608
_REMOVE_USERS = f"DELETE FROM platform_api.users USING {_SEEDED} WHERE users.id = seeded.id"  # noqa: S608

_Row = tuple[object, ...]


class SeedingError(Exception):
    """The database can't be seeded or cleaned up; the message is one line, without the password."""


@contextlib.asynccontextmanager
async def seeder_transaction(database_url: str, *, force: bool) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that no other seeder's overlaps; rolled back on any error. Raises SeedingError."""
    connection = await _connect(database_url)
    try:
        name: str = await connection.fetchval("SELECT current_database()")
        if not force and not is_for_tests(name):
            raise SeedingError(f"database {name!r} has no word 'test' in its name: choose another one, or use --force")
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        yield connection
        # Without it PostgreSQL rolls back when the connection ends, whichever way that comes.
        await transaction.commit()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SeedingError(f"{_place(database_url)} broke it off, and nothing was changed: {_reason(error)}") from error
    finally:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=_CLOSE_TIMEOUT_S)


async def stage(connection: asyncpg.Connection, seed: int, count: int) -> int:
    """Stage the rows of the seed's first `count` users, but for those that are there; returns the number of users."""
    await connection.execute(_STAGING)
    staged = 0
    async for numbers in _missing(connection, seed, count):
        users, tasks, payments = _rows(seed, numbers)
        await connection.copy_records_to_table("staged_users", records=users)
        await connection.copy_records_to_table("staged_tasks", records=tasks)
        await connection.copy_records_to_table("staged_payments", records=payments)
        staged += len(users)
    return staged


async def insert_staged(connection: asyncpg.Connection, seed: int, password: str) -> tuple[int, int, int]:
    """Insert what is staged, except for users whose e-mail is taken: how many users, tasks and payments."""
    # Not if the tables are there: "CREATE INDEX IF NOT EXISTS" locks everybody else's inserts out all the same.
    if not await connection.fetchval(_SCHEMA_EXISTS):
        await create_schema(connection)
    if not await connection.fetchval(_LEDGER_EXISTS):
        await connection.execute(_LEDGER)
    users = await _changed(connection, _INSERT_USERS, _password_hash(seed, password))
    await connection.execute(_INSERT_ENTRIES, seed)
    return users, await _changed(connection, _INSERT_TASKS), await _changed(connection, _INSERT_PAYMENTS)


async def change_passwords(connection: asyncpg.Connection, seed: int, password: str) -> int:
    """Give all users of the seed this password; returns how many had another one."""
    return await _changed(connection, _CHANGE_PASSWORDS, _password_hash(seed, password), seed)


async def remove_seeded(connection: asyncpg.Connection) -> tuple[int, int, int]:
    """Remove all seeded users, of any seed, and what hangs on them: how many users, tasks and payments."""
    if not await _has_ledger(connection):
        return 0, 0, 0
    tasks, payments = await _changed(connection, _REMOVE_TASKS), await _changed(connection, _REMOVE_PAYMENTS)
    users = await _changed(connection, _REMOVE_USERS)
    await connection.execute("DELETE FROM load_test.seeded_users")
    return users, tasks, payments


async def _connect(database_url: str) -> asyncpg.Connection:
    malformed = SeedingError(
        "the database's URL is not postgresql://user:password@host:port/database,"
        " with @ : / ? # in the password percent-encoded"
    )
    if not is_database_url(database_url):
        raise malformed
    try:
        return await asyncpg.connect(
            database_url,
            timeout=_CONNECT_TIMEOUT_S,
            server_settings={"application_name": "data_seeder", "jit": "off"},
        )
    except ValueError:
        # Not the message: it may quote the URL.
        raise malformed from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SeedingError(
            f"can't connect to PostgreSQL at {_place(database_url)}: {_reason(error)};"
            " check the URL, and that PostgreSQL runs there"
        ) from error


async def _has_ledger(connection: asyncpg.Connection) -> bool:
    exist = [await connection.fetchval(query) for query in (_SCHEMA_EXISTS, _LEDGER_EXISTS)]
    return all(exist)


async def _missing(connection: asyncpg.Connection, seed: int, count: int) -> AsyncIterator[Iterable[int]]:
    """The numbers below `count` of users that are not there, in batches."""
    if await _has_ledger(connection):
        cursor = await connection.cursor(_MISSING, seed, count)
        while rows := await cursor.fetch(_BATCH_USERS):
            yield [row["number"] for row in rows]
    else:
        for first in range(0, count, _BATCH_USERS):
            yield range(first, min(first + _BATCH_USERS, count))


def _rows(seed: int, numbers: Iterable[int]) -> tuple[list[_Row], list[_Row], list[_Row]]:
    """Rows of users, tasks and payments, in the staging tables' columns."""
    users: list[_Row] = []
    tasks: list[_Row] = []
    payments: list[_Row] = []
    for number in numbers:
        data = seeded_data(seed, number)
        account = data.account()
        users.append((number, account.email, account.name))
        amount = random.Random(f"{seed}/{number}/history")
        for _ in range(amount.randint(0, _MAX_TASKS)):
            prompt = data.prompt()
            tasks.append((number, prompt["model"], prompt["prompt"]))
        for _ in range(amount.randint(0, _MAX_PAYMENTS)):
            payment = data.payment()
            body = (payment.amount_cents, payment.currency, payment.description)
            payments.append((number, payment.idempotency_key, *body))
    return users, tasks, payments


def _password_hash(seed: int, password: str) -> str:
    """The API's own kind of hash at its own cost, so that logins cost the same; its salt follows from the seed."""
    salt = hashlib.blake2b(f"seeded passwords {seed}".encode(), digest_size=16).digest()
    return hash_password(password, HASH_COST, salt)


async def _changed(connection: asyncpg.Connection, command: str, *arguments: object) -> int:
    """Execute a command; the number of rows that it changed, which PostgreSQL tells last."""
    status: str = await connection.execute(command, *arguments)
    return int(status.rpartition(" ")[2])


def _place(database_url: str) -> str:
    """Host, port and database of a URL, without its user and password."""
    place = database_url.partition("://")[2].partition("?")[0].rpartition("@")[2]
    return f"the local socket{place}" if place.startswith("/") else place


def _reason(error: Exception) -> str:
    """The first line; what PostgreSQL adds in further lines may quote data."""
    return str(error).split("\n", 1)[0] or f"no answer within {_CONNECT_TIMEOUT_S} s"
