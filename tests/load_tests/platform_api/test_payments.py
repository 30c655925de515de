"""Payments and their Idempotency-Key."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from .conftest import Api

CREATE = "/api/v1/payments/create"
LIST = "/api/v1/payments"
BODY = {"amount_cents": 1999, "currency": "EUR", "description": "one month"}


def pay(client: httpx.Client, key: str | None = None, **changes: Any) -> httpx.Response:
    return client.post(CREATE, json=BODY | changes, headers={"Idempotency-Key": key or uuid.uuid4().hex})


def test_a_payment_is_captured(user: httpx.Client) -> None:
    answer = pay(user, currency="eur")
    assert answer.status_code == 201
    payment = answer.json()
    assert payment.keys() == {"id", "status", "amount_cents", "currency", "description", "created_at"}
    assert payment | BODY | {"status": "captured"} == payment
    assert user.get(LIST).json() == {"items": [payment], "next": None}


def test_the_same_key_and_body_give_the_same_payment(user: httpx.Client) -> None:
    first, second = pay(user, "key-1"), pay(user, "key-1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(user.get(LIST).json()["items"]) == 1


@pytest.mark.parametrize("change", [{"amount_cents": 2000}, {"currency": "USD"}, {"description": "other"}])
def test_the_same_key_with_another_body_is_a_conflict(user: httpx.Client, change: dict[str, Any]) -> None:
    first = pay(user, "key-2")
    answer = pay(user, "key-2", **change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert user.get(LIST).json()["items"] == [first.json()]


def test_a_key_belongs_to_one_user(user: httpx.Client, other_user: httpx.Client) -> None:
    mine, theirs = pay(user, "key-3"), pay(other_user, "key-3", amount_cents=5)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert user.get(LIST).json()["items"] == [mine.json()]
    assert other_user.get(LIST).json()["items"] == [theirs.json()]


def test_concurrent_duplicates_make_one_payment(api: Api, user: httpx.Client) -> None:
    async def race() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=api.url, headers=user.headers, trust_env=False) as client:
            calls = [client.post(CREATE, json=BODY, headers={"Idempotency-Key": f"race-{n % 4}"}) for n in range(48)]
            return await asyncio.gather(*calls)

    answers = asyncio.run(race())
    assert sorted(answer.status_code for answer in answers) == [200] * 44 + [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 4
    assert len(user.get(LIST).json()["items"]) == 4


@pytest.mark.parametrize("key", [None, "", "k" * 256])
def test_a_payment_needs_a_key(user: httpx.Client, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = user.post(CREATE, json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_key_required")
    assert user.get(LIST).json()["items"] == []


def test_hostile_keys_are_only_text(user: httpx.Client) -> None:
    for key in ("'; DROP TABLE platform_api.payments; --", "k" * 255, "\x80\xff\xe9"):
        raw = {b"Idempotency-Key": key.encode("latin-1")}
        statuses = [user.post(CREATE, json=BODY, headers=raw).status_code for _ in range(2)]
        assert statuses == [201, 200]
    assert len(user.get(LIST).json()["items"]) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"amount_cents": 0},
        {"amount_cents": -5},
        {"amount_cents": 10.5},
        {"amount_cents": 10**30},
        {"amount_cents": None},
        {"currency": "EURO"},
        {"currency": "€€€"},
        {"currency": "EUR\n"},
        {"description": "nul \0"},
        {"description": "x" * 501},
    ],
)
def test_create_refuses_bad_values(user: httpx.Client, change: dict[str, Any]) -> None:
    answer = pay(user, **change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")
    assert user.get(LIST).json()["items"] == []


def test_paging_returns_every_payment_once_newest_first(user: httpx.Client) -> None:
    created = [pay(user, amount_cents=n + 1).json()["id"] for n in range(11)]
    seen: list[int] = []
    query: dict[str, int] = {"limit": 4}
    while True:
        body = user.get(LIST, params=query).json()
        seen += [item["id"] for item in body["items"]]
        if body["next"] is None:
            break
        query["before"] = body["next"]
    assert seen == created[::-1]
