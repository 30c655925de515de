"""Locust's own classes, followed: requests of its two HTTP clients under way, and users that wake up late."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, NamedTuple
from weakref import WeakSet

import gevent
from gevent import getcurrent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import StopUser
from locust.user.task import TaskSet
from locust.user.users import User

from perflab.record.duet import user_tag
from perflab.record.exchange import Exchange
from perflab.record.health import LostTime
from perflab.record.outcome import name_of
from perflab.redact import redact_values

# Names repeat, unless somebody lets every request have its own.
_redacted = lru_cache(maxsize=1024)(redact_values)


MOST_GENERATIONS = 8


class CutOff(NamedTuple):
    """A request that was cut off: no event tells of it. It began at `began`, in epoch seconds."""

    began: float
    method: str
    name: str
    user_class: str


class InFlight:
    """The requests that Locust's clients have begun and not ended, and those that were cut off."""

    def __init__(self) -> None:
        # One for each user's greenlet, not one a request; it goes with its greenlet.
        self._exchanges: WeakSet[Exchange] = WeakSet()
        self._cut_off: list[CutOff] = []

    def __len__(self) -> int:
        return sum(exchange.under_way is not None for exchange in self._exchanges)

    def watch_clients(self) -> None:
        """Follow the requests of every session of this process from now on."""
        for session in (HttpSession, FastHttpSession):
            session.request = self._followed(session.request)  # type: ignore[method-assign]

    def take_cut_off(self, *, give_up: bool = False) -> list[CutOff]:
        """Return the requests that Locust has cut off since the last call.

        With `give_up` those that still wait are cut off too.
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
            called = name or session.request_name or url
            if isinstance(called, str) and ("?" in called or "@" in called) and (clean := _redacted(called)) != called:
                # Without a name the URL is the name, in Locust's own files too, and a token may stand in it.
                name = called = clean
            greenlet: Any = getcurrent()
            try:
                exchange = greenlet.perflab_exchange
                if not exchange.idle or not exchange.opened:
                    exchange = self._new(greenlet, exchange)
            except AttributeError:
                exchange = self._new(greenlet, None)
            exchange.idle = False
            exchange.sent = exchange.arrived = exchange.returned = 0
            exchange.parts = None
            exchange.under_way = method, called
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
        exchange.user_class = current_user_class()
        if last is not None:
            exchange.follow(last)
        self._exchanges.add(exchange)
        return exchange


def _told(exchange: Exchange) -> CutOff:
    method, name = exchange.under_way or ("", "")
    return CutOff(exchange.opened / 1e9, name_of(method), name_of(name), exchange.user_class)


def current_user_class() -> str:
    """Return the class whose user makes the requests of this greenlet, as `user_tag` tells it; empty if unknown."""
    greenlet: Any = getcurrent()
    try:
        known: str = greenlet.perflab_user_class
    except AttributeError:
        known = greenlet.perflab_user_class = _user_class(greenlet)
    return known


def _user_class(greenlet: Any) -> str:
    # A user may share its work out to greenlets of its own, and those to others.
    for _ in range(MOST_GENERATIONS):
        # Locust itself relies on it: the first argument of a user's greenlet is the user.
        arguments = getattr(greenlet, "args", ())
        if arguments and isinstance(arguments[0], User):
            return user_tag(arguments[0])
        parent = getattr(greenlet, "spawning_greenlet", None)
        greenlet = parent() if parent is not None else None
        if greenlet is None:
            break
    return ""


_run_is_over = False


def end_think_times() -> None:
    """Have users that wake up from their think time from now on stop, rather than begin what is no part of the run.

    Locust kills who sleeps when it stops, but one who wakes up just then begins a request and is killed in it: the
    service has served it, and nobody has counted it.
    """
    global _run_is_over
    _run_is_over = True


def watch_sleepers(lost: LostTime) -> None:
    """Tell `lost` how late each user wakes up from its think time, from now on."""
    clock, sleep, note = time.perf_counter, gevent.sleep, lost.sleeps_late_s.append

    def timed(_: TaskSet, seconds: float) -> None:
        due = clock() + max(0.0, seconds)
        sleep(seconds)
        note(clock() - due)
        if _run_is_over:
            raise StopUser

    TaskSet._sleep = timed  # type: ignore[method-assign]
