"""Handing rows from the processes that make requests to the one that writes: nothing is lost, nothing lands twice.

A source numbers its batches from 1 on and keeps each until it is acknowledged; what is not acknowledged in time is
sent again. The receiver takes batches strictly in order and acknowledges the last one that it took, so a batch that
comes twice, or after one that got lost, changes nothing (go-back-N).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from perflab.store.recorder_protocol import Totals

# A batch a second: a master that has said nothing for a minute is none of perflab's.
MAX_UNHEARD = 60


# Between the name of a user's class and the side that the user belongs to, in the rows of a duet. Hardly a class of
# Python has it in its name.
MARK = "@"


class LatencyRow(NamedTuple):
    """Requests that are alike but for their latency: `counts` has how many there are of each of `latencies_ms`.

    A latency is None where the requests have none. `status` is that of HTTP, empty without one.
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
    """Failed requests that are alike."""

    second: int
    method: str
    name: str
    outcome: str
    status: str
    message: str
    user_class: str
    requests: int


class HealthRow(NamedTuple):
    """A second of the generator: the columns of ``generator.csv`` but for the source."""

    second: int
    users: int
    in_flight: int
    cpu_percent: float
    lag_ms: float
    rss_mb: float
    users_wanted: int
    lag_p50_ms: float
    lag_p90_ms: float
    client_overhead_p50_ms: float
    client_overhead_p99_ms: float
    lost_s: float
    client_waits_s: float


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
    """The batches of one source that were not acknowledged yet."""

    def __init__(self, send: Callable[[Parcel], None], source: str, pid: int, patience_s: float = 2.0) -> None:
        """`send` may fail silently; what is not acknowledged within `patience_s` is sent again."""
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

        Where nothing was ever acknowledged, nobody listens: what waits is then given up before it fills the memory, and
        whoever listens later gets what comes from now on.
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
        """Take the rows out of a batch that can't be sent and would hold up all others. Its totals remain."""
        parcel = self._waiting[number]
        self._waiting[number] = replace(parcel, batch=Batch(totals=parcel.batch.totals, last=parcel.batch.last))

    def acknowledge(self, number: int) -> None:
        """Forget everything up to batch `number`, which is 0 where nothing was taken yet but somebody listens."""
        self._heard = True
        taken = [waiting for waiting in self._waiting if waiting <= number]
        for waiting in taken:
            del self._waiting[waiting]
        if taken:
            self._sent_at = time.monotonic()

    def repeat(self) -> None:
        """Send again, in order, what has waited for too long."""
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
        """Take the parcel if it is the source's next one; return the number of the last one taken."""
        last = self._last.get(parcel.source, 0)
        if parcel.number == last + 1:
            self._take(parcel)
            last = self._last[parcel.source] = parcel.number
        return last
