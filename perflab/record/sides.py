"""The rows of a duet's requests, parted by side: each side is then recorded as if it had been alone.

The side travels behind the name of the user's class, which every row of a request carries, and is taken off here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from perflab.record.counts import Row
from perflab.record.delivery import Parcel
from perflab.record.outcome import UNANSWERED
from perflab.vocabulary.measure import CLIENT, FALLBACK

# Hardly a class of Python has it in its name.
MARK = "@"
_USER_CLASS, _FAILED_USER_CLASS = 7, 6


class Parting:
    """Parts the parcels of all sources by side, each as if its side had been alone."""

    def __init__(self, sides: int) -> None:
        self._sides = sides
        self._recorded: dict[str, list[int]] = {}
        self._unanswered: dict[str, list[int]] = {}
        self._unstamped: dict[str, list[int]] = {}
        self._untimed: dict[str, list[int]] = {}

    def part(self, parcel: Parcel) -> list[Parcel]:
        """Return a parcel for each side.

        Locust's own totals don't know of sides: what was made and not recorded counts against each of them.
        """
        batch, source = parcel.batch, parcel.source
        latency = _split(batch.latency, _USER_CLASS, self._sides)
        failures = _split(batch.failures, _FAILED_USER_CLASS, self._sides)
        recorded, unanswered, unstamped, untimed = (
            totals.setdefault(source, [0] * self._sides)
            for totals in (self._recorded, self._unanswered, self._unstamped, self._untimed)
        )
        for side, rows in enumerate(latency):
            recorded[side] += _count(row for row in rows if row[4] == CLIENT)
            unanswered[side] += _count(row for row in rows if row[4] == CLIENT and row[3] == UNANSWERED)
            unstamped[side] += _count(row for row in rows if row[4] == FALLBACK)
            untimed[side] += _count(row for row in rows if row[5] == [None])
        missing = batch.finished + batch.unanswered - sum(recorded)
        uncounted = batch.locust_finished - batch.finished
        finished = [recorded[side] - unanswered[side] + missing for side in range(self._sides)]
        return [
            Parcel(
                source,
                parcel.pid,
                parcel.number,
                replace(
                    batch,
                    latency=latency[side],
                    failures=failures[side],
                    finished=finished[side],
                    locust_finished=finished[side] + uncounted,
                    unanswered=unanswered[side],
                    unstamped=unstamped[side],
                    untimed=untimed[side],
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
        # A class may be called as it likes: the side is behind the last mark.
        user_class, mark, side = str(row[column]).rpartition(MARK)
        if mark and side.isdecimal() and int(side) < sides:
            parts[int(side)].append((*row[:column], user_class, *row[column + 1 :]))
    return parts


def _count(rows: Iterable[Row]) -> int:
    return sum(sum(row[8]) for row in rows)
