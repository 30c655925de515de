"""Pages of generation listings, kept in Redis for a moment; imported only when that is switched on.

Every user has a version in Redis, which a new task replaces, and every page is stamped with the version that was in
force before its rows were read. A page counts only while its stamp is the user's version, so that a slow reader can
store what it likes: after the create it is too old. Versions are random and not counted up, because Redis may forget
one at any time, and a counter that starts anew would bring old pages back.

Redis never decides whether a request succeeds. While it is lost, listings come from PostgreSQL; the users whose version
could not be replaced are remembered and get a new one before any page is believed again.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import cast
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import AuthenticationError, AuthorizationError, InvalidResponse, RedisError, ResponseError

from load_tests.platform_api.errors import StartError
from load_tests.platform_api.web import Page

_CONNECTIONS = 50
# As long as a request may wait for a Redis that hangs, once: from then on it is not asked.
_TIMEOUT_S = 0.25
_RETRY_S = 1.0
_VERSION_BYTES = 12
_VERSION_TTL_S = 600  # a version that is gone costs one miss
_REFUSALS = (AuthenticationError, AuthorizationError, ResponseError, InvalidResponse)

# What the client returns while it decodes nothing; its types allow for decoded text too.
_Value = bytes | None

_log = logging.getLogger(__name__)


class ListingCache:
    """The pages of one database's users, each kept for `ttl_s` seconds at most."""

    def __init__(self, redis: Redis, scope: str, ttl_s: float) -> None:
        self._redis = redis
        self._prefix = f"platform_api:{scope}:generation"
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._lost = asyncio.Event()
        self._owed: set[int] = set()

    async def page(self, user_id: int, page: Page, load: Callable[[], Awaitable[bytes]]) -> bytes:
        """The kept page, or what `load` reads, which is then kept."""
        key = f"{self._prefix}:{user_id}:{page.limit}:{page.before}"
        version: bytes | None = None
        if not self._lost.is_set():
            with self._tolerant():
                version, kept = cast(list[_Value], await self._redis.mget(self._version_key(user_id), key))
                if version is None:
                    version = await self._begin_version(user_id)
                elif kept is not None and kept.startswith(version):
                    return kept[_VERSION_BYTES:]
        body = await load()
        if version is not None and not self._lost.is_set():
            with self._tolerant():
                await self._redis.set(key, version + body, px=self._ttl_ms)
        return body

    async def drop(self, user_id: int) -> None:
        """No page of this user that was read before now is shown again."""
        if not self._lost.is_set():
            with self._tolerant():
                await self._replace_version(user_id)
                return
        self._owed.add(user_id)

    async def probe(self) -> None:
        """Write and read as a miss does; RedisError when that does not work."""
        await self._begin_version(0)  # no user has this id

    @contextlib.asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Return to a Redis that was lost, in the background, while the context is open."""
        task = asyncio.create_task(self._recover_forever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def give_up(self, error: Exception) -> None:
        """Leave Redis alone until it has answered in the background; logged once."""
        if not self._lost.is_set():
            _log.warning("generation listings are not cached until Redis answers: %s", _reason(error))
        self._lost.set()

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError) as error:
            self.give_up(error)

    async def _recover_forever(self) -> None:
        while True:
            await self._lost.wait()
            await asyncio.sleep(_RETRY_S)
            try:
                await self.probe()
                await self._pay_what_is_owed()
            except (RedisError, OSError):
                continue
            self._lost.clear()
            _log.warning("generation listings are cached again")

    async def _pay_what_is_owed(self) -> None:
        while self._owed:
            # Taken out first: a create in the meantime owes it anew.
            user_id = self._owed.pop()
            try:
                await self._replace_version(user_id)
            except BaseException:
                self._owed.add(user_id)
                raise

    def _version_key(self, user_id: int) -> str:
        return f"{self._prefix}:{user_id}"

    async def _begin_version(self, user_id: int) -> bytes:
        """The version that is in force, a new one if there was none."""
        new = secrets.token_bytes(_VERSION_BYTES)
        older = await self._redis.set(self._version_key(user_id), new, ex=_VERSION_TTL_S, nx=True, get=True)
        return cast(_Value, older) or new

    async def _replace_version(self, user_id: int) -> None:
        await self._redis.set(self._version_key(user_id), secrets.token_bytes(_VERSION_BYTES), ex=_VERSION_TTL_S)


@contextlib.asynccontextmanager
async def open_listing_cache(url: str, scope: str, ttl_s: float) -> AsyncIterator[ListingCache]:
    """A cache in the Redis at `url`, apart from that of any other `scope`.

    A Redis that does not answer yet is waited for in the background. StartError: the address can't be right, or Redis
    refuses the login or the commands.
    """
    async with Redis.from_pool(_pool(url)) as redis:
        cache = ListingCache(redis, scope, ttl_s)
        try:
            await cache.probe()
        except _REFUSALS as error:
            raise StartError(f"the Redis of REDIS_URL can't be used: {_reason(error)}") from error
        except (RedisError, OSError) as error:
            cache.give_up(error)
        async with cache.kept_up():
            yield cache


def _pool(url: str) -> BlockingConnectionPool:
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT_S,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
        )
        pool.make_connection()  # type: ignore[no-untyped-call]  # refuses options that there are not
        if urlsplit(url).scheme != "unix" and urlsplit(url).path.strip("/") and "db" not in pool.connection_kwargs:
            raise ValueError("the database is not a number")
    except (TypeError, ValueError) as error:
        # Not the message: it may quote the address with its password.
        raise StartError("REDIS_URL is not redis://user:password@host:port/number") from error
    return pool


def _reason(error: Exception) -> str:
    return str(error).split("\n", 1)[0] or f"no answer within {_TIMEOUT_S:g} s"
