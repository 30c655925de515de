"""Registration, login, tokens, health."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import psutil
import pytest

from load_tests.platform_api.passwords import hash_password, verify_password
from load_tests.platform_api.tokens import Tokens

if TYPE_CHECKING:
    from .conftest import Api, StartApi

NewRegistration = Callable[[], dict[str, str]]


def error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    assert body["error"]["message"]
    return answer.status_code, body["error"]["code"]


def query(api: Api, sql: str, *values: Any) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(api.dsn())
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_health_needs_no_token(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_has_an_end(api: Api, anonymous: httpx.Client, chunked: bool) -> None:
    piece = b" " * 1024 * 1024
    before = psutil.Process(api.process.pid).memory_info().rss
    content = (piece for _ in range(100)) if chunked else piece * 100
    answer = anonymous.post("/api/v1/auth/login", content=content)
    assert error(answer) == (413, "body_too_large")
    assert psutil.Process(api.process.pid).memory_info().rss - before < 30e6
    assert anonymous.get("/health").status_code == 200


def test_register_then_login(anonymous: httpx.Client, new_registration: NewRegistration) -> None:
    body = new_registration()
    answer = anonymous.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 201
    registered = answer.json()
    assert registered.keys() == {"user_id", "email", "access_token", "token_type"}
    assert (registered["email"], registered["token_type"]) == (body["email"], "bearer")

    credentials = {"email": f" {body['email'].upper()} ", "password": body["password"]}
    answer = anonymous.post("/api/v1/auth/login", json=credentials)
    assert answer.status_code == 200
    login = answer.json()
    assert login.keys() == {"user_id", "access_token", "token_type", "expires_in"}
    assert (login["user_id"], login["expires_in"]) == (registered["user_id"], 3600)
    for token in (registered["access_token"], login["access_token"]):
        headers = {"Authorization": f"bearer {token}"}
        assert anonymous.get("/api/v1/payments", headers=headers).status_code == 200


def test_an_email_registers_once_even_at_the_same_moment(api: Api, new_registration: NewRegistration) -> None:
    body = new_registration()

    async def race() -> list[int]:
        async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:
            calls = [client.post("/api/v1/auth/register", json=body) for _ in range(8)]
            return sorted(answer.status_code for answer in await asyncio.gather(*calls))

    assert asyncio.run(race()) == [201] + [409] * 7
    with api.client() as client:
        again = body | {"email": body["email"].upper()}
        assert error(client.post("/api/v1/auth/register", json=again)) == (409, "email_taken")


def test_wrong_password_and_unknown_email_answer_alike(
    anonymous: httpx.Client, new_registration: NewRegistration
) -> None:
    body = new_registration()
    anonymous.post("/api/v1/auth/register", json=body)
    answers = [
        anonymous.post("/api/v1/auth/login", json={"email": email, "password": "not the password"})
        for email in (body["email"], "nobody@example.com")
    ]
    assert [error(answer) for answer in answers] == [(401, "invalid_credentials")] * 2
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    "change",
    [
        {"email": "no-at-sign"},
        {"email": "two@at@example.com"},
        {"email": None},
        {"email": "nul\0@example.com"},
        {"password": "short"},
        {"password": 12345678},
        {"name": ""},
        {"name": "nul\0"},
        {"name": "x" * 201},
    ],
)
def test_register_refuses_bad_values(
    anonymous: httpx.Client, new_registration: NewRegistration, change: dict[str, Any]
) -> None:
    answer = anonymous.post("/api/v1/auth/register", json=new_registration() | change)
    assert error(answer) == (422, "validation_failed")
    assert answer.json()["error"]["message"].startswith(next(iter(change)))


@pytest.mark.parametrize("path", ["/api/v1/auth/register", "/api/v1/auth/login"])
def test_bodies_that_are_not_json_objects(anonymous: httpx.Client, path: str) -> None:
    for content in (b"", b"{", b"email=a", b'{"email": "\xff"}', b'{"password": "\\ud800 lone surrogate"}'):
        assert error(anonymous.post(path, content=content)) == (400, "invalid_json")
    for content in (b"[]", b"null", b"1"):
        assert error(anonymous.post(path, content=content)) == (422, "validation_failed")


def test_a_refused_password_is_not_echoed(anonymous: httpx.Client, new_registration: NewRegistration) -> None:
    answer = anonymous.post("/api/v1/auth/register", json=new_registration() | {"password": "s3cr3t"})
    assert answer.status_code == 422
    assert "s3cr3t" not in answer.text


def test_unknown_paths_and_methods(anonymous: httpx.Client) -> None:
    assert error(anonymous.get("/nowhere")) == (404, "not_found")
    assert error(anonymous.get("/api/v1/payments/")) == (404, "not_found")
    answer = anonymous.get("/api/v1/auth/login")
    assert error(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_passwords_are_stored_as_salted_hashes(api: Api, new_registration: NewRegistration) -> None:
    first, second = new_registration(), new_registration()
    with api.client() as client:
        for body in (first, second):
            assert client.post("/api/v1/auth/register", json=body).status_code == 201
    sql = "SELECT password_hash FROM platform_api.users WHERE email = $1"
    hashes = [query(api, sql, body["email"]) for body in (first, second)]
    assert hashes[0] != hashes[1], "the same password must not give the same hash"
    for stored in hashes:
        assert stored.startswith("scrypt$4$")
        assert verify_password(first["password"], stored)
        assert not verify_password(first["password"] + " ", stored)
    row = query(api, "SELECT row_to_json(u)::text FROM platform_api.users u WHERE email = $1", first["email"])
    assert first["password"] not in row
    assert base64.b64encode(first["password"].encode()).decode() not in row


def test_a_hash_keeps_its_cost() -> None:
    cheap, dear = hash_password("x", 2), hash_password("x", 12)
    assert (cheap.split("$")[1], dear.split("$")[1]) == ("2", "12")
    assert verify_password("x", cheap)
    assert verify_password("x", dear)
    assert not verify_password("x", dear.replace("$12$", "$11$"))


PROTECTED = [
    ("POST", "/api/v1/generation/create"),
    ("GET", "/api/v1/generation/list"),
    ("GET", "/api/v1/generation/1"),
    ("POST", "/api/v1/payments/create"),
    ("GET", "/api/v1/payments"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_protected_endpoints_refuse_bad_tokens(api: Api, user: httpx.Client, method: str, path: str) -> None:
    good = user.headers["Authorization"].removeprefix("Bearer ")
    user_id, expiry, signature = good.split(".")
    forged = Tokens("another secret of the same kind", 60).issue(int(user_id))
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    cases = {
        "another user": f"{int(user_id) + 1}.{expiry}.{signature}",
        "a longer life": f"{user_id}.{int(expiry) + 1}.{signature}",
        "a flipped signature": f"{user_id}.{expiry}.{flipped}",
        "a cut signature": good[:-1],
        "no signature": f"{user_id}.{expiry}.",
        "another secret": forged,
        "nothing": "",
        "dots": "...",
        "not ASCII": "é.é.é",
    }
    with api.client() as client:
        for what, token in cases.items():
            headers = {b"Authorization": f"Bearer {token}".rstrip().encode()}
            answer = client.request(method, path, headers=headers)
            assert error(answer)[0] == 401, what
            assert answer.headers["www-authenticate"] == "Bearer"
        assert error(client.request(method, path)) == (401, "missing_token")
        assert error(client.request(method, path, headers={"Authorization": f"Basic {good}"}))[0] == 401
        assert client.request(method, path, headers={"Authorization": f"Bearer {good}"}).status_code != 401


def test_tokens_expire(start_api: StartApi, new_registration: NewRegistration) -> None:
    secret = "a secret that both sides know"
    options = ("--token-ttl-seconds", "0.3", "--hash-cost", "4")
    with start_api(*options, PLATFORM_API_TOKEN_SECRET=secret) as api, api.client() as client:
        token = client.post("/api/v1/auth/register", json=new_registration()).json()["access_token"]
        time.sleep(0.35)
        client.headers["Authorization"] = f"Bearer {token}"
        assert error(client.get("/api/v1/payments")) == (401, "expired_token")
        user_id = int(token.split(".")[0])
        client.headers["Authorization"] = f"Bearer {Tokens(secret, 60).issue(user_id)}"
        assert client.get("/api/v1/payments").status_code == 200


def test_a_deleted_users_token_is_refused(api: Api, user: httpx.Client) -> None:
    user_id = int(user.headers["Authorization"].split()[1].split(".")[0])
    task = {"prompt": "p", "model": "m"}
    task_id = user.post("/api/v1/generation/create", json=task).json()["id"]
    query(api, "DELETE FROM platform_api.users WHERE id = $1", user_id)
    assert error(user.post("/api/v1/generation/create", json=task)) == (401, "invalid_token")
    sql = "SELECT count(*) FROM platform_api.generation_tasks WHERE id = $1"
    assert query(api, sql, task_id) == 0


def test_answers_are_json_that_python_reads(user: httpx.Client) -> None:
    name = 'quotes " and \\ and \u2028 and 😀'
    created = user.post("/api/v1/generation/create", json={"prompt": name, "model": "m"}).json()
    answer = user.get(f"/api/v1/generation/{created['id']}")
    assert json.loads(answer.content)["prompt"] == name
