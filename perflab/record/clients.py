"""Locust's own classes, followed: requests of its two HTTP clients under way, and users that wake up late."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import gevent
from gevent import getcurrent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.user.task import TaskSet

from perflab.record.exchange import MOST_NESTED, Exchange
from perflab.record.health import LostTime
from perflab.redact import redact_values

# The event loop's timers have a resolution of a millisecond: to be woken within it is no delay.
TIMER_RESOLUTION_S = 0.001


class InFlight:
    """The requests that Locust's clients have begun and not ended, and those that were cut off."""

    def __init__(self) -> None:
        self._open: set[Exchange] = set()
        self._cut_off: list[Exchange] = []

    def __len__(self) -> int:
        return len(self._open)

    def watch_clients(self) -> None:
        """Follow the requests of every session of this process from now on."""
        for session in (HttpSession, FastHttpSession):
            session.request = self._followed(session.request)  # type: ignore[method-assign]

    def take_cut_off(self) -> list[Exchange]:
        """Return the requests that Locust has cut off since the last call: no event tells of such a request."""
        cut_off, self._cut_off = self._cut_off, []
        return cut_off

    def abandon(self) -> None:
        """Count what still waits as cut off: nobody will wait for it any longer."""
        self._cut_off += self._open
        self._open = set()

    def _followed(self, request: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(request)
        def followed(
            session: Any, method: str, url: str | bytes, name: str | None = None, *args: Any, **kwargs: Any
        ) -> Any:
            if not name and not session.request_name and isinstance(url, str) and "?" in url:
                # Without a name the URL is the name, in Locust's own files too, and a token may stand in it.
                name = clean if (clean := redact_values(url)) != url else None
            greenlet: Any = getcurrent()
            try:
                outer = greenlet.perflab_exchange
            except AttributeError:
                outer = None
            if outer is not None and (not outer.returned or outer.depth >= MOST_NESTED):
                # Only a request whose `with` block is open still waits for its event.
                outer = None
            exchange = Exchange(time.time_ns(), outer, method, name or session.request_name or str(url))
            greenlet.perflab_exchange = exchange
            self._open.add(exchange)
            try:
                return request(session, method, url, name, *args, **kwargs)
            except gevent.GreenletExit:
                self._cut_off.append(exchange)
                raise
            finally:
                exchange.returned = time.time_ns()
                self._open.discard(exchange)

        return followed


def watch_sleepers(lost: LostTime) -> None:
    """Add to `lost` how late each user wakes up from its think time, from now on."""
    clock = time.perf_counter
    sleep: Callable[[TaskSet, float], None] = TaskSet._sleep

    def timed(taskset: TaskSet, seconds: float) -> None:
        due = clock() + seconds
        sleep(taskset, seconds)
        late = clock() - due - TIMER_RESOLUTION_S
        if late > 0:
            lost.seconds += late

    TaskSet._sleep = timed  # type: ignore[method-assign]
