"""The database that test data is seeded into."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Any

from perflab.plan.hosts import is_for_tests
from perflab.readiness.finding import Finding
from perflab.vocabulary.redact import redact

VARIABLE = "LOAD_TEST_DATABASE_URL"
TIMEOUT_S = 5.0
# From here on a seeder, or one more worker of the API, may find none.
MAX_USED_SHARE = 0.8

_STATE = """
SELECT current_database() AS name,
       current_setting('server_version') AS version,
       (SELECT sum(numbackends) FROM pg_stat_database)::int AS used,
       current_setting('max_connections')::int AS most
"""


def check_database(url: str | None, *, timeout_s: float = TIMEOUT_S) -> Finding:
    """Say whether the database can be seeded. No part of `url` is shown: anything in it may belong to a password."""
    check = "database"
    if url is None:
        return Finding(check, "ok", f"{VARIABLE} is not set: no seeding", "set it to seed test data, which is optional")
    import asyncpg

    try:
        database = asyncio.run(_look_at(url, timeout_s))
    except (asyncpg.InterfaceError, ValueError):
        return Finding(
            check,
            "problem",
            f"{VARIABLE} is not a connection string",
            "write postgresql://USER:PASSWORD@HOST:5432/NAME, special characters in it percent-encoded",
        )
    except asyncpg.PostgresError as error:
        return Finding(check, "problem", f"it refuses: {redact(str(error))}", f"correct {VARIABLE}")
    except OSError as error:
        return Finding(
            check,
            "problem",
            f"it can't be reached: {_reason(error, timeout_s)}",
            f"start PostgreSQL, see why it doesn't run (docker compose logs postgres), or correct {VARIABLE}",
        )
    name, used, most = database["name"], database["used"], database["most"]
    found = f"PostgreSQL {database['version']}, {name!r}, {used} of {most} connections in use"
    if not is_for_tests(name):
        advice = "seed a database whose name says that it is for tests; seeding refuses this one"
        return Finding(check, "warning", f"{found}; its name has no word 'test' in it", advice)
    if used >= MAX_USED_SHARE * most:
        return Finding(check, "warning", found, "raise max_connections, or make the API's connection pool smaller")
    return Finding(check, "ok", found)


async def _look_at(url: str, timeout_s: float) -> Mapping[str, Any]:
    """Return what a PostgreSQL says about itself; `used` and `most` are connections."""
    import asyncpg

    connection = await asyncpg.connect(url, timeout=timeout_s, command_timeout=timeout_s)
    try:
        return dict(await connection.fetchrow(_STATE))
    finally:
        await connection.close(timeout=timeout_s)


def _reason(error: OSError, timeout_s: float) -> str:
    # Not the error's own text, which holds the address that was tried.
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, socket.gaierror):
        return "no host of that name"
    return os.strerror(error.errno) if error.errno else type(error).__name__
