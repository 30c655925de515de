"""Delivery of rows from the processes that make requests to the one that writes: none is lost, none arrives twice.

A source numbers its batches from 1 on and keeps each until it is acknowledged; batches that are not acknowledged in
time are sent again. The receiver takes batches strictly in order and acknowledges the last one that it took, so a
duplicate, or a batch that follows a lost one, changes nothing (go-back-N).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from perflab.store.recorder_protocol import Totals
from perflab.store.tables import HealthRow

# One batch per second: a master that hasn't answered for a minute isn't one of perflab's.
MAX_UNHEARD = 60


# In the rows of a duet, between the name of the user's class and the user's side. Hardly any Python class has it in its
# name.
MARK = "@"


class LatencyRow(NamedTuple):
    """Requests that differ only in their latency: `counts` has the number of each of `latencies_ms`.

    A latency is None if the requests have none; `status` is the HTTP status, empty without one.
    """

    second: int
    method: str
    name: str
    outcome: str
    measure: str
    latencies_ms: Sequence[float | None]
    status: str
    user_class: str
    counts: Sequence[int]


class FailureRow(NamedTuple):
    """Failed requests with the same message."""

    second: int
    method: str
    name: str
    outcome: str
    status: str
    message: str
    user_class: str
    requests: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What a source has recorded since its last batch, and the totals of its whole run so far.

    Seconds are whole seconds of the epoch: only the writer of the tables knows when the run began.
    """

    latency: Sequence[LatencyRow] = ()
    failures: Sequence[FailureRow] = ()
    generator: Sequence[HealthRow] = ()
    totals: Totals = field(default_factory=Totals)
    last: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """A numbered batch of one source."""

    source: str
    pid: int
    number: int
    batch: Batch

    def to_message(self) -> dict[str, Any]:
        """Return the parcel as Locust's messages carry it."""
        batch = {each.name: getattr(self.batch, each.name) for each in fields(Batch)}
        batch["totals"] = dict(self.batch.totals)
        return {"source": self.source, "pid": self.pid, "number": self.number, "batch": batch}

    @classmethod
    def from_message(cls, data: dict[str, Any]) -> Parcel:
        """Return the parcel that a message carries."""
        batch = data["batch"]
        return cls(
            data["source"],
            data["pid"],
            data["number"],
            Batch(
                latency=[LatencyRow._make(row) for row in batch["latency"]],
                failures=[FailureRow._make(row) for row in batch["failures"]],
                generator=[HealthRow._make(row) for row in batch["generator"]],
                totals=Totals.model_construct(**batch["totals"]),
                last=batch["last"],
            ),
        )


class Outbox:
    """The batches of one source that haven't been acknowledged yet."""

    def __init__(self, send: Callable[[Parcel], None], source: str, pid: int, patience_s: float = 2.0) -> None:
        """`send` may fail silently; batches that are not acknowledged within `patience_s` are sent again."""
        self._send = send
        self._source, self._pid = source, pid
        self._patience_s = patience_s
        self._waiting: dict[int, Parcel] = {}
        self._number = 0
        self._heard = False
        self._sent_at = 0.0

    @property
    def empty(self) -> bool:
        """Whether everything has been acknowledged."""
        return not self._waiting

    def put(self, batch: Batch) -> None:
        """Number a batch and send it.

        If nothing was ever acknowledged, nobody listens: the waiting batches are then dropped before they fill the
        memory, and whoever listens later gets the batches from then on.
        """
        if not self._heard and len(self._waiting) >= MAX_UNHEARD:
            self._waiting.clear()
            self._number = 0
        self._number += 1
        parcel = self._waiting[self._number] = Parcel(self._source, self._pid, self._number, batch)
        if len(self._waiting) == 1:
            self._sent_at = time.monotonic()
        self._send(parcel)

    def strip(self, number: int) -> None:
        """Drop the rows of a batch that can't be sent and would block all others; its totals remain."""
        parcel = self._waiting[number]
        self._waiting[number] = replace(parcel, batch=Batch(totals=parcel.batch.totals, last=parcel.batch.last))

    def acknowledge(self, number: int) -> None:
        """Drop all batches up to `number`, which is 0 if none was taken yet but somebody listens."""
        self._heard = True
        taken = [waiting for waiting in self._waiting if waiting <= number]
        for waiting in taken:
            del self._waiting[waiting]
        if taken:
            self._sent_at = time.monotonic()

    def repeat(self) -> None:
        """Send the waiting batches again, in order, if they have waited for too long."""
        if self._waiting and time.monotonic() - self._sent_at > self._patience_s:
            self._sent_at = time.monotonic()
            for parcel in list(self._waiting.values()):
                self._send(parcel)


class Inbox:
    """Takes the batches of all sources, each once and in order."""

    def __init__(self, take: Callable[[Parcel], None]) -> None:
        self._take = take
        self._last: dict[str, int] = {}

    def receive(self, parcel: Parcel) -> int:
        """Take the parcel if it is the source's next; return the number of the last one taken."""
        last = self._last.get(parcel.source, 0)
        if parcel.number == last + 1:
            self._take(parcel)
            last = self._last[parcel.source] = parcel.number
        return last
