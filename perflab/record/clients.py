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
        self._open: dict[Exchange, tuple[str, str | bytes]] = {}
        self._cut_off: dict[Exchange, tuple[str, str | bytes]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def watch_clients(self) -> None:
        """Follow the requests of every session of this process from now on."""
        for session in (HttpSession, FastHttpSession):
            session.request = self._followed(session.request)  # type: ignore[method-assign]

    def take_cut_off(self, *, give_up: bool = False) -> list[tuple[float, str, str]]:
        """Return (beginning in epoch seconds, method, name) of the requests cut off by Locust since the last call.

        No event tells of such a request. With `give_up` those that still wait are cut off too.
        """
        found = dict(self._cut_off)
        self._cut_off.clear()
        if give_up:
            found |= self._open
        return [(exchange.opened / 1e9, method, str(name)) for exchange, (method, name) in found.items()]

    def _followed(self, request: Callable[..., Any]) -> Callable[..., Any]:
        open_, cut_off, now = self._open, self._cut_off, time.time_ns

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
                if outer is not None and (not outer.returned or outer.depth >= MOST_NESTED):
                    # Only a request whose `with` block is open still waits for its event.
                    outer = None
            except AttributeError:
                outer = None
            exchange = greenlet.perflab_exchange = Exchange(now(), outer)
            open_[exchange] = method, name or session.request_name or url
            try:
                return request(session, method, url, name, *args, **kwargs)
            except gevent.GreenletExit:
                cut_off[exchange] = open_[exchange]
                raise
            finally:
                del open_[exchange]
                if greenlet.perflab_exchange is exchange:
                    # Its event has not fired yet.
                    exchange.returned = now()

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
            lost.woken_late_s += late

    TaskSet._sleep = timed  # type: ignore[method-assign]
