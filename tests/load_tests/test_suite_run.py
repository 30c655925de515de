"""The suite as Locust runs it, headless, against the real API."""

from __future__ import annotations

from collections import Counter

import pytest

from .conftest import LocustResult, Requests, RunLocust, StartApi

USERS = 20
LOAD = ("-u", str(USERS), "-r", str(USERS))
BUSY = {"LOAD_TEST_WAIT_MIN": "0.03", "LOAD_TEST_WAIT_MAX": "0.1"}
SIGNED_IN = ("/api/v1/generation", "/api/v1/payments")


def everything_happened(requests: Requests) -> bool:
    """All routes, every list beyond its first page."""
    names = {request["name"] for request in requests}
    paged = {request["name"] for request in requests if "before=" in request["url"]}
    return len(names) >= 8 and len(paged) >= 2


def count(requests: Requests, route: str) -> int:
    return sum(request["name"] == route for request in requests)


@pytest.fixture(scope="module")
def first_run(platform_api: str, run_locust: RunLocust) -> LocustResult:
    return run_locust(platform_api, *LOAD, until=everything_happened, LOAD_TEST_RUN_ID="repeated", **BUSY)


@pytest.fixture(scope="module")
def second_run(platform_api: str, first_run: LocustResult, run_locust: RunLocust) -> LocustResult:
    return run_locust(platform_api, *LOAD, until=everything_happened, LOAD_TEST_RUN_ID="repeated", **BUSY)


def statuses(result: LocustResult, route: str) -> Counter[int]:
    return Counter(request["status"] for request in result.requests if request["name"] == route)


def test_runs_without_a_failure(first_run: LocustResult) -> None:
    assert first_run.failures == {}
    assert first_run.exit_code == 0, first_run.output
    assert "Traceback" not in first_run.output, first_run.output[-6000:]


def test_requests_are_counted_by_the_eight_routes(first_run: LocustResult) -> None:
    assert first_run.counts.keys() == {
        "GET /health",
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/login",
        "POST /api/v1/generation/create",
        "GET /api/v1/generation/list",
        "GET /api/v1/generation/{id}",
        "POST /api/v1/payments/create",
        "GET /api/v1/payments",
    }


def test_the_token_goes_where_it_belongs(first_run: LocustResult) -> None:
    for request in first_run.requests:
        assert request["signed"] == request["name"].startswith(SIGNED_IN), request


def test_lists_are_paged(first_run: LocustResult) -> None:
    for route in ("/api/v1/generation/list", "/api/v1/payments"):
        pages = {"before=" in request["url"] for request in first_run.requests if request["name"] == route}
        assert pages == {True, False}, route


def test_new_accounts_are_new(first_run: LocustResult) -> None:
    assert statuses(first_run, "/api/v1/auth/register").keys() == {201}
    assert statuses(first_run, "/api/v1/payments/create").keys() == {201}


def test_a_repeated_run_meets_its_own_data_without_a_failure(second_run: LocustResult) -> None:
    assert second_run.failures == {}
    assert second_run.exit_code == 0, second_run.output
    # Every user's own account existed already, and the same payments came again.
    assert statuses(second_run, "/api/v1/auth/register")[409] >= USERS
    assert statuses(second_run, "/api/v1/payments/create")[200] > 0


@pytest.mark.usefixtures("first_run")
def test_a_run_without_a_run_id_makes_fresh_data(platform_api: str, run_locust: RunLocust) -> None:
    result = run_locust(platform_api, "-u", "8", "-r", "8", until=everything_happened, **BUSY)
    assert result.failures == {}
    assert statuses(result, "/api/v1/auth/register").keys() == {201}
    assert statuses(result, "/api/v1/payments/create").keys() == {201}


def test_workers_do_not_share_users(platform_api: str, run_locust: RunLocust) -> None:
    classes = ("GenerationUser", "PaymentUser")
    result = run_locust(
        platform_api, "--processes", "2", "-u", "8", "-r", "8", *classes, until=lambda requests: len(requests) > 100
    )
    assert result.exit_code == 0, result.output
    assert result.failures == {}
    # Two users with one identity would show as 409 and a login.
    assert statuses(result, "/api/v1/auth/register") == {201: 8}
    assert "/api/v1/auth/login" not in {request["name"] for request in result.requests}


def test_a_fault_shows_where_it_is(start_platform_api: StartApi, run_locust: RunLocust) -> None:
    with start_platform_api("--hash-cost", "4", "--error-rate", "payments=0.3") as url:
        result = run_locust(url, *LOAD, until=lambda requests: len(requests) > 700, **BUSY)
    assert result.exit_code == 1
    assert {name for name, _ in result.failures} == {"/api/v1/payments", "/api/v1/payments/create"}
    assert {error for _, error in result.failures} == {"CatchResponseError('status 503')"}
    payments = sum(request["name"].startswith("/api/v1/payments") for request in result.requests)
    assert 0.15 < result.failures.total() / payments < 0.45


def test_an_expired_token_is_renewed_by_one_login(start_platform_api: StartApi, run_locust: RunLocust) -> None:
    with start_platform_api("--hash-cost", "4", "--token-ttl-seconds", "2") as url:
        classes = ("GenerationUser", "PaymentUser")
        result = run_locust(
            url,
            *("-u", "6", "-r", "6", *classes),
            until=lambda requests: count(requests, "/api/v1/auth/login") > 12,
        )
    assert {error for _, error in result.failures} == {"CatchResponseError('status 401')"}
    logins = statuses(result, "/api/v1/auth/login")
    assert logins.keys() == {200}
    # The end of the run may cut off a login that a refused request asked for.
    assert 0 <= result.failures.total() - logins[200] <= 6
    assert statuses(result, "/api/v1/auth/register") == {201: 6}
    served = [request["status"] for request in result.requests if request["status"] in (200, 201)]
    assert len(served) > result.failures.total() * 3


def test_a_kind_of_user_is_left_out(platform_api: str, run_locust: RunLocust) -> None:
    result = run_locust(
        *(platform_api, "-u", "6", "-r", "6"), until=lambda requests: len(requests) > 100, LOAD_TEST_WEIGHT_PAYMENTS="0"
    )
    assert result.exit_code == 0, result.output
    routes = {request["name"] for request in result.requests}
    assert {"/health", "/api/v1/generation/create"} < routes
    assert not any(route.startswith("/api/v1/payments") for route in routes)


def test_a_bad_setting_is_one_line_and_exit_code_2(run_locust: RunLocust) -> None:
    result = run_locust("http://127.0.0.1:9", "-u", "1", LOAD_TEST_WAIT_MIN="soon")
    assert result.exit_code == 2
    assert result.output == "LOAD_TEST_WAIT_MIN='soon' is not allowed: it must be seconds, from 0 to 3600\n"
