"""A duet: two targets loaded at the same moment by one Locust, its users split evenly and alternately between them.

Each user belongs to a side and keeps to its host. Whatever disturbs the machine then disturbs both sides alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from gevent import getcurrent
from locust import events
from locust.user.users import User

from perflab.record.delivery import MARK
from perflab.record.listening import listen_first
from perflab.store.recorder_protocol import Side
from perflab.vocabulary.text import one_line


class Duet:
    """Gives each new user of this process a side, and counts requests that went to the other side's host."""

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
