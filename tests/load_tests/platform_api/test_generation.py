"""Generation tasks: create, list, get, and their way to done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from .conftest import StartApi

CREATE = "/api/v1/generation/create"
LIST = "/api/v1/generation/list"
TASK = {"prompt": "a lighthouse at dusk", "model": "small-1"}


def test_create_then_get(user: httpx.Client) -> None:
    answer = user.post(CREATE, json=TASK)
    assert answer.status_code == 201
    created = answer.json()
    assert created.keys() == {"id", "status"}
    assert created["status"] == "queued"

    answer = user.get(f"/api/v1/generation/{created['id']}")
    assert answer.status_code == 200
    task = answer.json()
    assert task.keys() == {"id", "status", "prompt", "model", "created_at", "finished_at"}
    assert task | TASK | {"id": created["id"]} == task
    assert abs(datetime.fromisoformat(task["created_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_tasks_go_from_queued_through_running_to_done(start_api: StartApi, wait_until: Callable[..., None]) -> None:
    with start_api("--hash-cost", "4", "--queued-ms", "400", "--running-ms", "600") as api, api.user() as user:
        path = f"/api/v1/generation/{user.post(CREATE, json=TASK).json()['id']}"
        seen: dict[str, Any] = {}

        def done() -> bool:
            task = user.get(path).json()
            seen.setdefault(task["status"], task)
            return "done" in seen

        wait_until(done, "the task is done")
    assert list(seen) == ["queued", "running", "done"]
    assert seen["queued"]["finished_at"] is None
    assert seen["running"]["finished_at"] is None
    finished, created = (datetime.fromisoformat(seen["done"][key]) for key in ("finished_at", "created_at"))
    assert finished - created >= timedelta(seconds=1)


def test_every_task_of_many_is_done(user: httpx.Client, wait_until: Callable[..., None]) -> None:
    ids = {user.post(CREATE, json=TASK).json()["id"] for _ in range(60)}
    assert len(ids) == 60

    def all_done() -> bool:
        items = user.get(LIST, params={"limit": 100}).json()["items"]
        return {item["id"] for item in items if item["status"] == "done"} == ids

    wait_until(all_done, "all 60 tasks are done")


@pytest.mark.parametrize(("total", "limit"), [(7, 3), (6, 3), (1, 1), (25, None)])
def test_paging_returns_every_task_once_newest_first(user: httpx.Client, total: int, limit: int | None) -> None:
    created = [user.post(CREATE, json=TASK).json()["id"] for _ in range(total)]
    size = limit or 20
    pages: list[list[int]] = []
    before = None
    while True:
        given = {"limit": limit, "before": before}
        answer = user.get(LIST, params={name: value for name, value in given.items() if value is not None})
        assert answer.status_code == 200
        body = answer.json()
        assert body.keys() == {"items", "next"}
        for item in body["items"]:
            assert item.keys() == {"id", "status", "model", "prompt", "created_at"}
        pages.append([item["id"] for item in body["items"]])
        if before is None:  # a task that comes in between must not shift the pages
            user.post(CREATE, json=TASK)
        if (before := body["next"]) is None:
            break
    assert [task_id for page in pages for task_id in page] == created[::-1]
    assert [len(page) for page in pages] == [size] * (total // size) + ([total % size] if total % size else [])


def test_an_empty_listing(user: httpx.Client) -> None:
    assert user.get(LIST).json() == {"items": [], "next": None}


def test_other_peoples_tasks_are_not_there(user: httpx.Client, other_user: httpx.Client) -> None:
    task_id = user.post(CREATE, json=TASK).json()["id"]
    own = other_user.post(CREATE, json=TASK).json()["id"]
    foreign, unknown = (other_user.get(f"/api/v1/generation/{i}") for i in (task_id, 2**62))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["error"]["code"] == unknown.json()["error"]["code"] == "not_found"
    assert [item["id"] for item in other_user.get(LIST).json()["items"]] == [own]
    assert user.get(f"/api/v1/generation/{task_id}").status_code == 200


@pytest.mark.parametrize("task_id", ["0", "-1", "abc", "1.5", str(2**63), "9" * 60, "%00", "1/2"])
def test_ids_that_can_not_be(user: httpx.Client, task_id: str) -> None:
    answer = user.get(f"/api/v1/generation/{task_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=-1", "limit=ten", "limit=", "before=0", "before=x", f"before={2**63}"],
)
def test_paging_parameters_that_can_not_be(user: httpx.Client, query: str) -> None:
    for path in (LIST, "/api/v1/payments"):
        answer = user.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": "p"},
        TASK | {"prompt": ""},
        TASK | {"prompt": "x" * 4001},
        TASK | {"prompt": "nul \0"},
        TASK | {"model": 1},
        TASK | {"model": ""},
    ],
)
def test_create_refuses_bad_values(user: httpx.Client, body: dict[str, Any]) -> None:
    answer = user.post(CREATE, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_failed")
    assert user.get(LIST).json()["items"] == []


def test_create_refuses_what_is_not_json(user: httpx.Client) -> None:
    for content in (b"", b"prompt=x", b'{"prompt": "\\ud800", "model": "m"}'):
        answer = user.post(CREATE, content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
