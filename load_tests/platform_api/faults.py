"""Faults for tests and demonstrations, per endpoint group, as ASGI middleware."""

import asyncio
import random
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from load_tests.platform_api.errors import ApiError
from load_tests.platform_api.settings import GROUPS, Group, Settings
from load_tests.platform_api.web import error_answer

# What is left to wait by turns of the loop: a timer may be late by as much.
_TIMER_S = 0.002


@dataclass(frozen=True, slots=True)
class Fault:
    """What one group suffers: extra latency in ms, a factor on its own time, a fraction of 503 answers."""

    latency_ms: float
    slowdown: float
    error_rate: float
    random: random.Random


def group_of(path: str) -> Group | None:
    """The endpoint group a request path belongs to."""
    if path == "/health":
        return "auth"
    for group in GROUPS:
        root = f"/api/v1/{group}"
        if path == root or path.startswith(root + "/"):
            return group
    return None


def faults(settings: Settings) -> dict[Group, Fault]:
    """The groups that have a fault, each with random numbers of its own."""
    return {
        group: Fault(
            settings.latency.get(group, 0.0),
            settings.slowdown.get(group, 1.0),
            settings.error_rate.get(group, 0.0),
            random.Random(f"{settings.seed}:{group}"),
        )
        for group in GROUPS
        if group in settings.latency.keys() | settings.slowdown.keys() | settings.error_rate.keys()
    }


async def sleep_until(due: float) -> None:
    """Let others work until `due` on the performance counter, to within one turn of the event loop.

    The loop's timers count whole milliseconds, and would make 5 % of 2 ms nothing, or ten times as much.
    """
    if (rest := due - time.perf_counter() - _TIMER_S) > 0:
        await asyncio.sleep(rest)
    while time.perf_counter() < due:
        await asyncio.sleep(0)


class FaultMiddleware:
    """Delays and refuses requests of the groups that have a fault."""

    def __init__(self, app: ASGIApp, by_group: dict[Group, Fault]) -> None:
        self._app = app
        self._by_group = by_group

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request with its group's fault."""
        group = group_of(scope["path"]) if scope["type"] == "http" else None
        fault = self._by_group.get(group) if group else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.latency_ms:
            await asyncio.sleep(fault.latency_ms / 1000)
        if fault.random.random() < fault.error_rate:
            answer = error_answer(ApiError(503, "injected_fault", "this error was asked for by --error-rate"))
            await answer(scope, receive, send)
            return
        begun = time.perf_counter()

        async def send_slowly(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = time.perf_counter()
                await sleep_until(now + (fault.slowdown - 1) * (now - begun))
            await send(message)

        await self._app(scope, receive, send_slowly if fault.slowdown > 1 else send)
