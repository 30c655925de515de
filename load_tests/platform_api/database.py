"""The connection pool and the schema."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg

from load_tests.platform_api.errors import StartError

_CONNECT_TIMEOUT_S = 5
_COMMAND_TIMEOUT_S = 30
_CLOSE_TIMEOUT_S = 0.5
_SCHEMA_LOCK = 7_205_759_403  # any number, the same for all who create this schema

# An own schema, so that a shared database's other tables stay untouched.
_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS platform_api;

CREATE TABLE IF NOT EXISTS platform_api.users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS platform_api.generation_tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES platform_api.users ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done')),
    model text NOT NULL,
    prompt text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_step_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX IF NOT EXISTS generation_tasks_of_user ON platform_api.generation_tasks (user_id, id DESC);
CREATE INDEX IF NOT EXISTS generation_tasks_unfinished ON platform_api.generation_tasks (next_step_at)
    WHERE status <> 'done';

CREATE TABLE IF NOT EXISTS platform_api.payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES platform_api.users ON DELETE CASCADE,
    idempotency_key text NOT NULL,
    amount_cents bigint NOT NULL,
    currency text NOT NULL,
    description text NOT NULL,
    status text NOT NULL DEFAULT 'captured',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, idempotency_key)
);
CREATE INDEX IF NOT EXISTS payments_of_user ON platform_api.payments (user_id, id DESC);
"""


async def _keep_state(_: asyncpg.Connection) -> None:
    """Spare the reset query, a second round trip on every request: no handler changes session state."""


def _place(dsn: str) -> str:
    """Host, port and database of a connection string, without its user and password."""
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'local socket'}:{parts.port or 5432}{parts.path}"


async def create_schema(connection: asyncpg.Connection) -> None:
    """Create what is missing of the schema, in the caller's transaction, until whose end others who create it wait."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
    await connection.execute(_SCHEMA)


@contextlib.asynccontextmanager
async def open_pool(dsn: str, size: int) -> AsyncIterator[asyncpg.Pool]:
    """A pool of `size` connections on a database that has the schema; StartError if there is none."""
    try:
        place = _place(dsn)
        pool = await asyncpg.create_pool(
            dsn,
            min_size=size,
            max_size=size,
            max_inactive_connection_lifetime=0,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_COMMAND_TIMEOUT_S,
            reset=_keep_state,
            server_settings={"application_name": "platform_api", "jit": "off"},
        )
    except ValueError as error:
        # Not the message: it may quote the address with its password.
        raise StartError("DATABASE_URL is not postgresql://user:password@host:port/database") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error).split("\n", 1)[0] or f"no answer within {_CONNECT_TIMEOUT_S} s"
        raise StartError(f"can't connect to PostgreSQL at {place}: {reason}") from error
    try:
        try:
            async with pool.acquire() as connection, connection.transaction():
                await create_schema(connection)
        except asyncpg.PostgresError as error:
            raise StartError(f"can't create the schema platform_api at {place}: {error}") from error
        yield pool
    finally:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(pool.close(), _CLOSE_TIMEOUT_S)
        pool.terminate()


async def identity(pool: asyncpg.Pool) -> str:
    """A name that no other database has, on whatever server; the same at each start."""
    name: str = await pool.fetchval(
        "SELECT system_identifier || '-' || oid FROM pg_control_system(), pg_database"
        " WHERE datname = current_database()"
    )
    return name


async def server_version(pool: asyncpg.Pool) -> str:
    """PostgreSQL's version as it names itself, such as 18.1."""
    version: str = await pool.fetchval("SHOW server_version")
    return version.split(" ", 1)[0]
