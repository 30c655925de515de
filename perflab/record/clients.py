"""Users, followed: requests of Locust's two HTTP clients under way, and who wakes up late."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, NamedTuple
from weakref import WeakSet

import gevent
import gevent.hub
import gevent.time
from gevent import getcurrent
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import StopUser
from locust.user.task import TaskSet
from locust.user.users import PytestUser, User

from perflab.record.duet import user_tag
from perflab.record.exchange import Exchange
from perflab.record.outcome import name_of
from perflab.vocabulary.redact import redact_values

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


def end_think_times() -> None:
    """Have every user stop, from now on, rather than begin another task, which is no part of the run.

    Locust kills who sleeps when it stops, but one who wakes up just then begins a request and is killed in it: the
    service has served it, and nobody has counted it. A user stops where it would begin its task, and not while it still
    waits for it: Locust would take it for a sleeper, and kill it in what its `on_stop` asks of the service.
    """

    def stop(_: TaskSet) -> None:
        raise StopUser

    TaskSet.execute_next_task = stop  # type: ignore[method-assign]

    def end(_: Any) -> None:
        raise gevent.GreenletExit

    # Who runs pytest's tests has no tasks, and is deaf to Locust's stop.
    for user in PytestUser.__subclasses__():
        for test in user.functions:
            test.obj = end


def watch_sleepers(between_s: list[float], within_ns: list[int]) -> None:
    """Note how late each user wakes up from whatever it sleeps for, from now on.

    What it slept for within a request (a back-off, a hook) goes to `within_ns`, and its think times, wherever its tasks
    have them, to `between_s`. Only users sleep for the load: perflab's own probes and Locust's runners are left out.
    """
    clock, sleep = time.perf_counter, gevent.sleep

    @wraps(sleep)
    def timed(seconds: float = 0, ref: bool = True) -> None:
        asked = clock()
        sleep(seconds, ref)
        late_s = clock() - asked - max(0.0, float(seconds))
        if not current_user_class():
            return
        exchange: Exchange | None = getattr(getcurrent(), "perflab_exchange", None)
        if exchange is None or exchange.idle or exchange.returned:
            between_s.append(late_s)
        else:
            within_ns.append(int(late_s * 1e9))

    modules: tuple[Any, ...] = (gevent, gevent.hub, gevent.time, time)
    for module in modules:
        # Locust has made gevent's the standard library's; where somebody keeps it from that, a sleep there blocks all.
        if module.sleep is sleep:
            module.sleep = timed
