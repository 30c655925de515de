"""Fills a test database with users, generation tasks and payments, and takes them out again.

    LOAD_TEST_DATABASE_URL=postgresql://user:password@localhost/load_test_db python3 load_tests/data_seeder.py

The data follow from a seed and a user's number, so that the load test knows the accounts without asking the database:
with LOAD_TEST_SEEDED_USERS its users log in with them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypedDict

if __name__ == "__main__" and not __package__:
    # Run as a file: its folder is first on the path, where other names than the package's own would be found.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

try:
    from load_tests import _seeding
    from load_tests._seeding import SeedingError
    from load_tests.config import MAX_SEED, MAX_USERS, load_settings
    from perflab.errors import UsageError
except ModuleNotFoundError as missing:
    if __name__ != "__main__":
        raise
    # The python3 of the system, most likely.
    sys.stderr.write(
        f"data seeder: {missing.name} is not installed for {sys.executable}:"
        " source .venv/bin/activate, or pip install -r load_tests/requirements.txt\n"
    )
    sys.exit(2)

__all__ = ["Removed", "Seeded", "SeedingError", "remove_test_data", "seed_test_data"]

DEFAULT_USERS = 100


class Seeded(TypedDict):
    """What a seeding did, in rows."""

    users_created: int
    users_existing: int
    """Seeded before, and left as they were."""
    users_refused: int
    """Not created, because somebody else has the e-mail."""
    passwords_changed: int
    """Seeded before, with another password than now."""
    generation_tasks_created: int
    payments_created: int


class Removed(TypedDict):
    """What a clean-up removed, in rows."""

    users_removed: int
    generation_tasks_removed: int
    payments_removed: int


async def seed_test_data(
    database_url: str,
    test_user_count: int,
    *,
    seed: int | None = None,
    password: str | None = None,
    force: bool = False,
) -> Seeded:
    """Make the first `test_user_count` users of a seed, with about two done tasks and two payments each.

    All of it or, on any error, nothing. What exists stays: the same call again creates nothing, and one with a larger
    count what is missing. Seed and password are those of the suite's settings unless given. `force` lets it into a
    database whose name has no word "test" in it. Raises SeedingError, and UsageError for unusable settings.

    All users share one password, and its hash too: scrypt is slow on purpose, and a hash for each user would take
    minutes, yet protect nothing, because the password stands in the suite's settings.
    """
    if not 1 <= test_user_count <= MAX_USERS:
        raise SeedingError(f"{test_user_count} users can't be seeded: choose from 1 to {MAX_USERS}")
    settings = load_settings()
    seed = settings.seed if seed is None else seed
    if not 0 <= seed <= MAX_SEED:
        raise SeedingError(f"seed {seed} can't be used: choose from 0 to {MAX_SEED}")
    password = settings.seeded_password.get_secret_value() if password is None else password
    async with _seeding.seeder_transaction(database_url, force=force) as connection:
        staged = await _seeding.stage(connection, seed, test_user_count)
        users, tasks, payments = await _seeding.insert_staged(connection, seed, password)
        changed = await _seeding.change_passwords(connection, seed, password)
    return Seeded(
        users_created=users,
        users_existing=test_user_count - staged,
        users_refused=staged - users,
        passwords_changed=changed,
        generation_tasks_created=tasks,
        payments_created=payments,
    )


async def remove_test_data(database_url: str, *, force: bool = False) -> Removed:
    """Remove all seeded users, of any seed, with what hangs on them, and nothing else. Raises SeedingError."""
    async with _seeding.seeder_transaction(database_url, force=force) as connection:
        users, tasks, payments = await _seeding.remove_seeded(connection)
    return Removed(users_removed=users, generation_tasks_removed=tasks, payments_removed=payments)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SeedingError(f"{message} (see --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="data_seeder.py", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--users", type=int, metavar="N", help=f"default: LOAD_TEST_SEEDED_USERS, or {DEFAULT_USERS} if that is 0"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="default: LOAD_TEST_SEED")
    parser.add_argument("--cleanup", action="store_true", help="remove all that was seeded, of any seed")
    parser.add_argument("--force", action="store_true", help="even if the database's name has no word 'test' in it")
    return parser


def _seeded_line(done: Seeded) -> str:
    parts = [
        f"created {done['users_created']} users, {done['generation_tasks_created']} generation tasks"
        f" and {done['payments_created']} payments"
    ]
    if done["users_existing"]:
        parts.append(f"{done['users_existing']} users were there already")
    if done["users_refused"]:
        parts.append(f"{done['users_refused']} were not created: somebody else has their e-mail")
    if done["passwords_changed"]:
        parts.append(f"{done['passwords_changed']} got the new password")
    return "; ".join(parts)


def _removed_line(done: Removed) -> str:
    return (
        f"removed {done['users_removed']} users, {done['generation_tasks_removed']} generation tasks"
        f" and {done['payments_removed']} payments"
    )


def _run(arguments: Sequence[str]) -> str:
    options = _parser().parse_args(arguments)
    settings = load_settings()
    if settings.database_url is None:
        raise SeedingError(
            "no database: set LOAD_TEST_DATABASE_URL, for example to"
            " postgresql://user:password@localhost:5432/load_test_db"
        )
    database_url = settings.database_url.get_secret_value()
    if options.cleanup:
        return _removed_line(asyncio.run(remove_test_data(database_url, force=options.force)))
    users = options.users if options.users is not None else settings.seeded_users or DEFAULT_USERS
    return _seeded_line(asyncio.run(seed_test_data(database_url, users, seed=options.seed, force=options.force)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Seed or clean up; the exit code is 2 with one line on stderr when it can't be done."""
    try:
        line = _run(sys.argv[1:] if arguments is None else arguments)
    except (SeedingError, UsageError) as error:
        sys.stderr.write(f"data seeder: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("data seeder: interrupted, and nothing was changed\n")
        return 130
    sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
