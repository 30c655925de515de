"""Locust's own classes, followed: requests of its two HTTP clients under way, and users that wake up late."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakSet

import gevent
from gevent import getcurrent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.user.task import TaskSet

from perflab.record.exchange import Exchange
from perflab.record.health import LostTime
from perflab.redact import redact_values

# The event loop's timers have a resolution of a millisecond: to be woken within it is no delay.
TIMER_RESOLUTION_S = 0.001


class InFlight:
    """The requests that Locust's clients have begun and not ended, and those that were cut off."""

    def __init__(self) -> None:
        # One for each user's greenlet, not one a request; it goes with its greenlet.
        self._exchanges: WeakSet[Exchange] = WeakSet()
        self._cut_off: list[tuple[float, str, str]] = []

    def __len__(self) -> int:
        return sum(exchange.under_way is not None for exchange in self._exchanges)

    def watch_clients(self) -> None:
        """Follow the requests of every session of this process from now on."""
        for session in (HttpSession, FastHttpSession):
            session.request = self._followed(session.request)  # type: ignore[method-assign]

    def take_cut_off(self, *, give_up: bool = False) -> list[tuple[float, str, str]]:
        """Return (beginning in epoch seconds, method, name) of the requests cut off by Locust since the last call.

        No event tells of such a request. With `give_up` those that still wait are cut off too.
        """
        cut_off, self._cut_off = self._cut_off, []
        if give_up:
            cut_off += [_told(exchange) for exchange in self._exchanges if exchange.under_way is not None]
        return cut_off

    def _followed(self, request: Callable[..., Any]) -> Callable[..., Any]:
        now = time.time_ns

        @wraps(request)
        def followed(
            session: Any, method: str, url: str | bytes, name: str | None = None, *args: Any, **kwargs: Any
        ) -> Any:
            if not name and not session.request_name and isinstance(url, str) and "?" in url:
                # Without a name the URL is the name, in Locust's own files too, and a token may stand in it.
                name = clean if (clean := redact_values(url)) != url else None
            greenlet: Any = getcurrent()
            try:
                exchange = greenlet.perflab_exchange
                if not exchange.idle:
                    exchange = self._new(greenlet, exchange)
            except AttributeError:
                exchange = self._new(greenlet, None)
            exchange.idle = False
            exchange.sent = exchange.arrived = exchange.returned = 0
            exchange.parts = None
            exchange.under_way = method, name or session.request_name or url
            exchange.opened = now()
            try:
                return request(session, method, url, name, *args, **kwargs)
            except gevent.GreenletExit:
                self._cut_off.append(_told(exchange))
                raise
            finally:
                exchange.under_way = None
                if not exchange.idle:
                    # Its event has not fired yet.
                    exchange.returned = now()

        return followed

    def _new(self, greenlet: Any, last: Exchange | None) -> Exchange:
        """Return the exchange of a request for whose greenlet there is none, or whose last one is not done with."""
        exchange = greenlet.perflab_exchange = Exchange()
        if last is not None:
            exchange.follow(last)
        self._exchanges.add(exchange)
        return exchange


def _told(exchange: Exchange) -> tuple[float, str, str]:
    method, name = exchange.under_way or ("", "")
    return exchange.opened / 1e9, method, str(name)


def watch_sleepers(lost: LostTime) -> None:
    """Add to `lost` how late each user wakes up from its think time, from now on."""
    clock, sleep = time.perf_counter, gevent.sleep

    def timed(_: TaskSet, seconds: float) -> None:
        due = clock() + seconds + TIMER_RESOLUTION_S
        sleep(seconds)
        if (late := clock() - due) > 0:
            lost.woken_late_s += late

    TaskSet._sleep = timed  # type: ignore[method-assign]
