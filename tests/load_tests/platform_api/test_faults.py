"""Faults reach their own endpoint group and no other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from load_tests.platform_api.faults import group_of

if TYPE_CHECKING:
    from .conftest import StartApi

NewRegistration = Callable[[], dict[str, str]]


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/health", "auth"),
        ("/api/v1/auth/login", "auth"),
        ("/api/v1/generation/list", "generation"),
        ("/api/v1/generation/7", "generation"),
        ("/api/v1/payments", "payments"),
        ("/api/v1/payments/create", "payments"),
        ("/api/v1/paymentsx", None),
        ("/healthy", None),
        ("/", None),
    ],
)
def test_groups_by_path(path: str, group: str | None) -> None:
    assert group_of(path) == group


def elapsed_ms(client: httpx.Client, path: str) -> float:
    begun = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - begun) * 1000


def test_latency_of_one_group(start_api: StartApi) -> None:
    with start_api("--hash-cost", "4", "--latency", "payments=300") as api, api.user() as user:
        assert elapsed_ms(user, "/api/v1/payments") >= 300
        # Fifty calls, each delayed, would take 15 s: the best of them tells that there is no delay.
        for path in ("/health", "/api/v1/generation/list"):
            assert min(elapsed_ms(user, path) for _ in range(50)) < 300


def test_slowdown_multiplies_the_groups_own_time(start_api: StartApi, new_registration: NewRegistration) -> None:
    # At this cost one hash takes several milliseconds, so the factor's share is far above the rest.
    with start_api("--hash-cost", "11", "--slowdown", "auth=20") as api, api.client() as client:
        body = new_registration()
        begun = time.perf_counter()
        assert client.post("/api/v1/auth/register", json=body).status_code == 201
        slowed = time.perf_counter() - begun
    with start_api("--hash-cost", "11") as api, api.client() as client:
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            assert client.post("/api/v1/auth/register", json=new_registration()).status_code == 201
            times.append(time.perf_counter() - begun)
    assert slowed > 4 * min(times)


def test_error_rate_is_a_seeded_fraction_of_one_group(start_api: StartApi) -> None:
    def statuses(seed: str) -> list[int]:
        options = ("--hash-cost", "4", "--error-rate", "generation=0.25", "--seed", seed)
        with start_api(*options) as api, api.user() as user:
            answers = [user.get("/api/v1/generation/list") for _ in range(200)]
            failed = [answer for answer in answers if answer.status_code == 503]
            assert {answer.json()["error"]["code"] for answer in failed} == {"injected_fault"}
            assert {user.get("/api/v1/payments").status_code for _ in range(50)} == {200}
            assert {user.get("/health").status_code for _ in range(50)} == {200}
            return [answer.status_code for answer in answers]

    first, again, other = statuses("1"), statuses("1"), statuses("2")
    assert first == again
    assert first != other
    assert set(first) == {200, 503}
    assert 20 <= first.count(503) <= 80  # 200 draws at 1/4: almost five standard deviations around 50


def test_faults_from_the_environment(start_api: StartApi) -> None:
    variables = {"PLATFORM_API_ERROR_RATE": "payments=1,generation=0", "PLATFORM_API_HASH_COST": "4"}
    with start_api(**variables) as api, api.user() as user:
        assert user.get("/api/v1/payments").status_code == 503
        assert user.get("/api/v1/generation/list").status_code == 200


def test_flags_outrank_the_environment(start_api: StartApi) -> None:
    with start_api("--error-rate", "payments=0", PLATFORM_API_ERROR_RATE="payments=1") as api, api.user() as user:
        assert user.get("/api/v1/payments").status_code == 200


def test_pool_size_is_the_number_of_connections(start_api: StartApi) -> None:
    with start_api("--pool-size", "3") as api:
        connected = [p for p in api.postgres() if "postgres postgres [local]" in " ".join(p.cmdline())]
        assert len(connected) == 3
