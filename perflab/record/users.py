"""Locust's users: their side in a duet, their class, how late they wake up, and how they stop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import gevent
import gevent.hub
import gevent.time
from gevent import getcurrent
from locust import events
from locust.exception import StopUser
from locust.user.task import TaskSet
from locust.user.users import PytestUser, User

from perflab.record.delivery import MARK
from perflab.record.exchange import Exchange
from perflab.record.role import listen_first
from perflab.store.recorder_protocol import Side
from perflab.vocabulary.text import one_line

MAX_GENERATIONS = 8


class Duet:
    """Two targets loaded at the same time by one Locust, whose users are split evenly and alternately between them.

    Each user belongs to a side and keeps to its host, so that whatever disturbs the machine disturbs both sides alike.
    Requests that went to the other side's host are counted as `misrouted`.
    """

    def __init__(self, sides: Sequence[Side], first: int = 0) -> None:
        """`first` is the side of the first user: it differs between workers, so that one user each is split, too."""
        self._sides = sides
        self._first = first
        self._users: Counter[tuple[int, str]] = Counter()
        self.misrouted = 0

    def install(self) -> None:
        """Split the users that are created from now on."""
        User.__init__ = self._sided(User.__init__)  # type: ignore[method-assign]
        if len({side.host for side in self._sides}) > 1:
            listen_first(events.request, self._on_request)

    def choose(self, user_class: str) -> int:
        """Return the side of the next user of a class: the one with fewer users of the class, then of all classes."""

        def crowd(side: int) -> tuple[int, int, int]:
            users = sum(count for (of_side, _), count in self._users.items() if of_side == side)
            return self._users[side, user_class], users, (side - self._first) % len(self._sides)

        chosen = min(range(len(self._sides)), key=crowd)
        self._users[chosen, user_class] += 1
        return chosen

    def _sided(self, make: Callable[..., None]) -> Callable[..., None]:
        @wraps(make)
        def made(user: Any, *args: Any, **kwargs: Any) -> None:
            side = self.choose(type(user).__name__)
            user.perflab_side = side
            # Set before the user's client is created, which reads it.
            user.host = self._sides[side].host
            make(user, *args, **kwargs)

        return made

    def _on_request(self, url: object = None, **_: Any) -> None:
        tag = str(getattr(getcurrent(), "perflab_user_class", ""))
        marked, side = tag.partition(MARK)[1:]
        if marked and isinstance(url, str) and not _is_under(self._sides[int(side)].host, url):
            self.misrouted += any(_is_under(other.host, url) for other in self._sides)


def _is_under(host: str, url: str) -> bool:
    """Return whether a request's URL belongs to the host: http://a:8000/ doesn't belong to http://a:80."""
    return url == host or url.startswith((f"{host}/", f"{host}?"))


def current_user_class() -> str:
    """Return the class, in a duet with the side, of the user that makes this greenlet's requests; empty if unknown."""
    greenlet: Any = getcurrent()
    try:
        tag: str = greenlet.perflab_user_class
    except AttributeError:
        tag = greenlet.perflab_user_class = _user_class(greenlet)
    return tag


def _user_class(greenlet: Any) -> str:
    # A user may spawn greenlets of its own, and those others.
    for _ in range(MAX_GENERATIONS):
        # Locust itself relies on the user being the first argument of its greenlet.
        arguments = getattr(greenlet, "args", ())
        if arguments and isinstance(arguments[0], User):
            user = arguments[0]
            name, side = one_line(type(user).__name__), getattr(user, "perflab_side", None)
            return name if side is None else f"{name}{MARK}{side}"
        parent = getattr(greenlet, "spawning_greenlet", None)
        greenlet = parent() if parent is not None else None
    return ""


def end_think_times() -> None:
    """From now on, have every user stop instead of beginning another task, which would not be part of the run.

    When Locust stops, it kills users that sleep; one that wakes up just then would begin a request and be killed in it,
    so that the service has served a request that nobody counted. A user stops when it would begin its next task, and
    not while it still waits: Locust would kill it as a sleeper in the middle of the requests of its `on_stop`.
    """

    def stop(_: TaskSet) -> None:
        raise StopUser

    TaskSet.execute_next_task = stop  # type: ignore[method-assign]

    def end(_: Any) -> None:
        raise gevent.GreenletExit

    # A user that runs pytest's tests has no tasks and ignores Locust's stop.
    for user in PytestUser.__subclasses__():
        for test in user.functions:
            test.obj = end


def watch_sleepers(between_s: list[float], within_ns: list[int]) -> None:
    """From now on, note how late each user wakes up from each sleep.

    Sleeps within a request (a back-off, a hook) go to `within_ns`, think times, wherever its tasks have them, to
    `between_s`. Only users count, not perflab's own probes or Locust's runners.
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
        # Locust replaces the standard library's by gevent's; where that is prevented, a sleep blocks the whole process.
        if module.sleep is sleep:
            module.sleep = timed
