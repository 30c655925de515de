"""A duet: two targets loaded at the same moment by one Locust, its users split evenly and alternately between them.

Each user belongs to a side and keeps to its host. Whatever disturbs the machine then disturbs both sides alike. The
side travels with the name of the user's class, which every row of a request carries; the writer takes it off again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from gevent import getcurrent
from locust import events
from locust.user.users import User

from perflab.record.counts import UNANSWERED, Row
from perflab.record.delivery import Batch, Parcel
from perflab.store.handover import Side

# No class of Python has it in its name.
MARK = "@"
_USER_CLASS, _FAILED_USER_CLASS = 7, 6


class Duet:
    """Gives each new user of this process a side, and counts requests that went to the other side's host."""

    def __init__(self, sides: Sequence[Side], first: int = 0) -> None:
        """`first` is the side of the first user, so that a number of workers with a user each are split too."""
        self._sides = sides
        self._first = first
        self._users: Counter[tuple[int, str]] = Counter()
        self.strayed = 0

    def install(self) -> None:
        """Split the users that are made from now on."""
        User.__init__ = self._sided(User.__init__)  # type: ignore[method-assign]
        if len({side.host for side in self._sides}) > 1:
            events.request.add_listener(self._on_request)

    def choose(self, user_class: str) -> int:
        """Return the side of the next user of a class: the one with fewer of the class, then of all users."""

        def crowd(side: int) -> tuple[int, int, int]:
            of_side = sum(count for (one, _), count in self._users.items() if one == side)
            return self._users[side, user_class], of_side, (side - self._first) % len(self._sides)

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

    def _on_request(self, url: object = None, **_further: Any) -> None:
        tag = str(getattr(getcurrent(), "perflab_user_class", ""))
        _, marked, side = tag.partition(MARK)
        if marked and isinstance(url, str):
            others = (other.host for number, other in enumerate(self._sides) if number != int(side))
            if any(url.startswith(host) for host in others) and not url.startswith(self._sides[int(side)].host):
                self.strayed += 1


def user_tag(user: User) -> str:
    """Return the name of a user's class, with the user's side behind it in a duet."""
    side = getattr(user, "perflab_side", None)
    name = type(user).__name__
    return name if side is None else f"{name}{MARK}{side}"


class Parting:
    """Parts the parcels of all sources by side, each as if its side had been alone."""

    def __init__(self, sides: int) -> None:
        self._sides = sides
        self._recorded: dict[str, list[int]] = {}
        self._unanswered: dict[str, list[int]] = {}
        self._unstamped: dict[str, list[int]] = {}

    def part(self, parcel: Parcel) -> list[Parcel]:
        """Return a parcel for each side.

        Locust's own totals don't know of sides: what was made and not recorded counts against each of them.
        """
        batch, source = parcel.batch, parcel.source
        latency = _split(batch.latency, _USER_CLASS, self._sides)
        failures = _split(batch.failures, _FAILED_USER_CLASS, self._sides)
        recorded, unanswered, unstamped = (
            totals.setdefault(source, [0] * self._sides)
            for totals in (self._recorded, self._unanswered, self._unstamped)
        )
        for side, rows in enumerate(latency):
            recorded[side] += _count(row for row in rows if row[4] == "client")
            unanswered[side] += _count(row for row in rows if row[4] == "client" and row[3] == UNANSWERED)
            unstamped[side] += _count(row for row in rows if row[4] == "stand_in")
        missing = batch.finished + batch.unanswered - sum(recorded)
        uncounted = batch.locust_finished - batch.finished
        finished = [recorded[side] - unanswered[side] + missing for side in range(self._sides)]
        return [
            Parcel(
                source,
                parcel.pid,
                parcel.number,
                Batch(
                    latency=latency[side],
                    failures=failures[side],
                    generator=batch.generator,
                    finished=finished[side],
                    locust_finished=finished[side] + uncounted,
                    unanswered=unanswered[side],
                    unstamped=unstamped[side],
                    task_exceptions=batch.task_exceptions,
                    clock_step_ms=batch.clock_step_ms,
                    strayed=batch.strayed,
                    last=batch.last,
                ),
            )
            for side in range(self._sides)
        ]


def _split(rows: Sequence[Row], column: int, sides: int) -> list[list[Row]]:
    """Return the rows of each side, the side taken off the user class in `column`.

    What no user of a side has made can't be told apart and is in none of them, so that it is missed.
    """
    parts: list[list[Row]] = [[] for _ in range(sides)]
    for row in rows:
        user_class, _, side = str(row[column]).partition(MARK)
        if side:
            parts[int(side)].append((*row[:column], user_class, *row[column + 1 :]))
    return parts


def _count(rows: Any) -> int:
    return sum(int(row[8]) for row in rows)
