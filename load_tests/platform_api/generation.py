"""Generation tasks: the endpoints, and the worker that moves tasks queued -> running -> done."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from load_tests.platform_api.errors import ApiError
from load_tests.platform_api.tokens import Tokens
from load_tests.platform_api.web import MAX_ID, Body, Text, json_answer, page_json, read_body, read_page

if TYPE_CHECKING:
    from load_tests.platform_api.cache import ListingCache

_TICK_S = 0.2
_BATCH = 1000

# SKIP LOCKED lets several services share one database without waiting for each other.
_ADVANCE = """
UPDATE platform_api.generation_tasks SET
    status = CASE status WHEN 'queued' THEN 'running' ELSE 'done' END,
    next_step_at = now() + $1,
    finished_at = CASE status WHEN 'running' THEN now() END
WHERE id IN (
    SELECT id FROM platform_api.generation_tasks
    WHERE status <> 'done' AND next_step_at <= now()
    ORDER BY next_step_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""

_log = logging.getLogger(__name__)


class _Task(Body):
    prompt: Text = Field(min_length=1, max_length=4000)
    model: Text = Field(min_length=1, max_length=100)


class GenerationEndpoints:
    """/api/v1/generation/*."""

    def __init__(
        self, pool: asyncpg.Pool, tokens: Tokens, queued_ms: float, cache: "ListingCache | None" = None
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._queued = timedelta(milliseconds=queued_ms)
        self._cache = cache

    def routes(self) -> list[Route]:
        """The routes of this group."""
        return [
            Route("/api/v1/generation/create", self.create, methods=["POST"]),
            Route("/api/v1/generation/list", self.list),
            Route("/api/v1/generation/{id:int}", self.get),
        ]

    async def create(self, request: Request) -> Response:
        """201 with the queued task."""
        user_id = self._tokens.user_id(request)
        body = await read_body(request, _Task)
        task_id = await self._pool.fetchval(
            "INSERT INTO platform_api.generation_tasks (user_id, model, prompt, next_step_at)"
            " VALUES ($1, $2, $3, now() + $4) RETURNING id",
            user_id,
            body.model,
            body.prompt,
            self._queued,
        )
        if self._cache is not None:
            await self._cache.drop(user_id)
        return json_answer({"id": task_id, "status": "queued"}, 201)

    async def list(self, request: Request) -> Response:
        """200 with one page of the caller's tasks."""
        user_id = self._tokens.user_id(request)
        page = read_page(request)

        async def load() -> bytes:
            rows = await self._pool.fetch(
                "SELECT id, status, model, prompt, created_at FROM platform_api.generation_tasks"
                " WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                user_id,
                page.before,
                page.limit + 1,
            )
            return page_json(rows, page.limit)

        return json_answer(await (self._cache.page(user_id, page, load) if self._cache else load()))

    async def get(self, request: Request) -> Response:
        """200 with the task; 404 when it is unknown or not the caller's."""
        user_id = self._tokens.user_id(request)
        task_id: int = request.path_params["id"]
        task = None
        if task_id <= MAX_ID:
            task = await self._pool.fetchrow(
                "SELECT id, status, prompt, model, created_at, finished_at"
                " FROM platform_api.generation_tasks WHERE id = $1 AND user_id = $2",
                task_id,
                user_id,
            )
        if task is None:
            raise ApiError(404, "not_found", f"there is no generation task {task_id}")
        return json_answer(dict(task))


@contextlib.asynccontextmanager
async def generation_worker(pool: asyncpg.Pool, running_ms: float) -> AsyncIterator[None]:
    """Advance due tasks in the background, in batches, while the context is open."""
    task = asyncio.create_task(_advance_forever(pool, timedelta(milliseconds=running_ms)))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _advance_forever(pool: asyncpg.Pool, running: timedelta) -> None:
    reachable = True
    while True:
        try:
            tag: str = await pool.execute(_ADVANCE, running, _BATCH)
            reachable = True
            if tag == f"UPDATE {_BATCH}":
                continue  # a full batch: more may be due
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if reachable:
                _log.warning("generation tasks wait for the database: %s", error)
            reachable = False
        await asyncio.sleep(_TICK_S)
