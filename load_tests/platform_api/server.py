"""Serves the application on a bound socket until a signal comes."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import asyncpg
import uvicorn
import uvloop
from starlette.types import ASGIApp

from load_tests.platform_api import database
from load_tests.platform_api.app import create_app
from load_tests.platform_api.generation import generation_worker
from load_tests.platform_api.passwords import PasswordHasher
from load_tests.platform_api.settings import Settings

if TYPE_CHECKING:
    from load_tests.platform_api.cache import ListingCache

_GRACE_S = 1
_KEEP_ALIVE_S = 75  # longer than any think time, so that no client meets a connection being closed


class _Server(uvicorn.Server):
    """A uvicorn that tells when it is ready and leaves signals to the loop."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Requests that the grace period cuts off are no errors, yet each would be logged with a traceback.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise the signal again when it has stopped, before PostgreSQL is stopped.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


@contextlib.asynccontextmanager
async def _cache(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator["ListingCache | None"]:
    if settings.redis_url is None:
        yield None
        return
    from load_tests.platform_api.cache import open_listing_cache

    scope = await database.identity(pool)
    async with open_listing_cache(settings.redis_url.get_secret_value(), scope, settings.cache_ttl_seconds) as cache:
        yield cache


async def _serve(settings: Settings, dsn: str, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - for the type checker
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    async with database.open_pool(dsn, settings.pool_size) as pool:
        version = await database.server_version(pool)
        host, port = listener.getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

        def on_ready() -> None:
            # What is loaded stays. Walking through it at each full collection would hold up all requests for 15 ms.
            gc.freeze()
            print(f"platform api ready on http://{address} (PostgreSQL {version})", flush=True)  # noqa: T201

        with PasswordHasher(settings.hash_cost) as hasher:
            async with _cache(settings, pool) as cache, generation_worker(pool, settings.running_ms):
                await _Server(create_app(settings, pool, hasher, cache), on_ready).serve([listener])


def serve(settings: Settings, dsn: str, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; StartError when the database or the cache can't be used."""
    with (
        contextlib.suppress(asyncio.CancelledError),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(settings, dsn, listener))
