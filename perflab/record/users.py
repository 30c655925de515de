"""Locust's users: their side in a duet, their class, when they wake up, and when they stop."""

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
    """Two targets loaded at the same moment by one Locust, its users split evenly and alternately between them.

    Each user of this process belongs to a side and keeps to its host, so that whatever disturbs the machine disturbs
    both sides alike. Requests that went to the other side's host are counted as `misrouted`.
    """

    def __init__(self, sides: Sequence[Side], first: int = 0) -> None:
        """`first` is the side of the first user, so that a number of workers with a user each are split too."""
        self._sides = sides
        self._first = first
        self._users: Counter[tuple[int, str]] = Counter()
        self.misrouted = 0

    def install(self) -> None:
        """Split the users that are made from now on."""
        User.__init__ = self._sided(User.__init__)  # type: ignore[method-assign]
        if len({side.host for side in self._sides}) > 1:
            listen_first(events.request, self._on_request)

    def choose(self, user_class: str) -> int:
        """Return the side of the next user of a class: the one with fewer of the class, then of all users."""

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
            # Before the user's client is made, which asks for it.
            user.host = self._sides[side].host
            make(user, *args, **kwargs)

        return made

    def _on_request(self, url: object = None, **_: Any) -> None:
        tag = str(getattr(getcurrent(), "perflab_user_class", ""))
        marked, side = tag.partition(MARK)[1:]
        if marked and isinstance(url, str) and not _is_under(self._sides[int(side)].host, url):
            self.misrouted += any(_is_under(other.host, url) for other in self._sides)


def _is_under(host: str, url: str) -> bool:
    """Say whether a request's URL is the host's: http://a:80 is not where http://a:8000/ is."""
    return url == host or url.startswith((f"{host}/", f"{host}?"))


def user_tag(user: User) -> str:
    """Return the name of a user's class, with the user's side behind it in a duet."""
    side = getattr(user, "perflab_side", None)
    name = one_line(type(user).__name__)
    return name if side is None else f"{name}{MARK}{side}"


def current_user_class() -> str:
    """Return the class, in a duet with the side, of the user that makes this greenlet's requests; empty if unknown."""
    greenlet: Any = getcurrent()
    try:
        known: str = greenlet.perflab_user_class
    except AttributeError:
        known = greenlet.perflab_user_class = _user_class(greenlet)
    return known


def _user_class(greenlet: Any) -> str:
    # A user may share its work out to greenlets of its own, and those to others.
    for _ in range(MAX_GENERATIONS):
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
