from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from load_tests.utils import DataFactory, seeded_account, seeded_data, seeded_number

ROOT = Path(__file__).resolve().parents[2]

PRINT_DATA = """
from load_tests.utils import DataFactory, seeded_account, seeded_data, seeded_number
for user in range(3):
    data = DataFactory(11, user, "run")
    for _ in range(5):
        print(data.account().registration, data.prompt(), data.payment())
"""


def print_data(hash_seed: str) -> str:
    command = [sys.executable, "-c", PRINT_DATA]
    environment = {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def contents(data: DataFactory, count: int = 20) -> list[object]:
    """What a factory gives, without what makes it unique."""
    made: list[object] = []
    for _ in range(count):
        account, payment = data.account(), data.payment()
        made += [account.name, account.password, data.prompt(), payment.body]
    return made


def test_same_seed_gives_the_same_data_in_every_process() -> None:
    first = print_data("1")
    assert first.count("Payment(") == 15
    assert print_data("2") == first


@pytest.mark.parametrize("other", [DataFactory(12, 0), DataFactory(11, 1)])
def test_another_seed_or_user_gives_other_data(other: DataFactory) -> None:
    mine = contents(DataFactory(11, 0))
    same = [a == b for a, b in zip(mine, contents(other), strict=True)]
    # Two payments or prompts may agree by chance, passwords never.
    assert sum(same) < len(same) / 5
    assert not any(same[1::4])


def test_namespace_changes_emails_and_keys_alone() -> None:
    one, other = DataFactory(11, 0, "monday"), DataFactory(11, 0, "tuesday")
    assert contents(one) == contents(other)
    assert one.account().email != other.account().email
    assert one.payment().idempotency_key != other.payment().idempotency_key


def test_a_payment_does_not_depend_on_what_was_made_before() -> None:
    busy, idle = DataFactory(11, 4), DataFactory(11, 4)
    for _ in range(7):
        busy.account()
        busy.prompt()
    assert [busy.payment() for _ in range(5)] == [idle.payment() for _ in range(5)]


def test_emails_and_keys_are_unique_and_well_formed() -> None:
    emails, keys = set(), set()
    for seed in (1, 2):
        for user in range(100):
            for namespace in ("", "a"):
                data = DataFactory(seed, user, namespace)
                for _ in range(10):
                    emails.add(data.account().email)
                    keys.add(data.payment().idempotency_key)
    assert len(emails) == len(keys) == 2 * 100 * 2 * 10
    # No mail must ever reach anyone: example.com is reserved.
    assert all(re.fullmatch(r"[a-z]+\.[0-9a-f]{32}@example\.com", email) for email in emails)
    assert all(len(email.partition("@")[0]) <= 64 for email in emails)
    assert {str(uuid.UUID(key)) for key in keys} == keys


def test_password_stays_out_of_representations() -> None:
    account = DataFactory(1, 1).account()
    assert account.password not in f"{account!r} {account}"


def test_a_seeded_account_follows_from_seed_and_number() -> None:
    account = seeded_account(3, 17, "shared")
    assert account == seeded_account(3, 17, "shared")
    assert account.password == "shared"
    assert account.email == seeded_data(3, 17).account().email
    assert len({seeded_account(seed, number, "").email for seed in (3, 4) for number in range(500)}) == 1000


def test_seeded_users_take_turns() -> None:
    for worker in range(5):
        taken = [seeded_number(worker, index, 30) for index in range(60)]
        assert sorted(taken[:30]) == list(range(30))
        assert taken[30:] == taken[:30]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("count", [1000, 1024])
def test_workers_share_few_seeded_accounts(workers: int, count: int) -> None:
    def distinct(users: int) -> int:
        each = range(users // workers)
        return len({seeded_number(worker, index, count) for worker in range(workers) for index in each})

    assert distinct(480) == 480
    assert distinct(960) > 960 * 0.8
