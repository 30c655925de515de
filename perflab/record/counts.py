"""Requests on their way into ``latency.csv`` and ``failures.csv``: counted in memory, handed over once a second."""

from __future__ import annotations

from math import ceil, log

from perflab.redact import redact_values
from perflab.store.tables import LOG_GAMMA, SMALLEST_MS, bucket_middle, one_line

# A target that fails with a new text each time must neither fill the memory nor the disk.
MOST_MESSAGES = 200
FURTHER_MESSAGES = "(further messages)"

MEASURES = ("client", "wire", "connect", "stand_in")
CLIENT, WIRE, CONNECT, STAND_IN = range(len(MEASURES))

Row = tuple[object, ...]


class Counts:
    """Weighted samples and failures since the last hand-over. Memory is bounded by one second's variety.

    Seconds are whole seconds of the epoch: only the writer of the tables knows when the run began.
    """

    def __init__(self) -> None:
        self.total = 0
        self.unstamped = 0
        self._latency: dict[tuple[int, str, str, str], dict[int, int]] = {}
        self._failures: dict[tuple[int, str, str, str, str, str], int] = {}
        self._messages: set[str] = set()
        self._clean: dict[str, str] = {}

    def add(
        self,
        second: int,
        method: str,
        name: str,
        outcome: str,
        client_ms: float,
        measured: tuple[float, float | None] | None,
    ) -> None:
        """Count one request under the second in which it began; `measured` is (wire ms, connect ms), None without."""
        self.total += 1
        key = (second, method, name, outcome)
        cell = self._latency.get(key)
        if cell is None:
            cell = self._latency[key] = {}
        # bucket_of, written out: this is done twice for each request of the generator.
        bucket = ceil(log(client_ms if client_ms > SMALLEST_MS else SMALLEST_MS) / LOG_GAMMA) * 4
        cell[bucket] = cell.get(bucket, 0) + 1
        if measured is None:
            if outcome == "ok":
                # The client clock stands in, and the row says so.
                self.unstamped += 1
                cell[bucket + STAND_IN] = cell.get(bucket + STAND_IN, 0) + 1
            return
        wire_ms, connect_ms = measured
        bucket = ceil(log(wire_ms if wire_ms > SMALLEST_MS else SMALLEST_MS) / LOG_GAMMA) * 4 + WIRE
        cell[bucket] = cell.get(bucket, 0) + 1
        if connect_ms is not None:
            bucket = ceil(log(connect_ms if connect_ms > SMALLEST_MS else SMALLEST_MS) / LOG_GAMMA) * 4 + CONNECT
            cell[bucket] = cell.get(bucket, 0) + 1

    def add_unanswered(self, second: int, method: str, name: str, waited_ms: float) -> None:
        """Count a request that never came back; all that is known is that it took longer than `waited_ms`."""
        cell = self._latency.setdefault((second, method, name, "unanswered"), {})
        bucket = ceil(log(max(waited_ms, SMALLEST_MS)) / LOG_GAMMA) * 4
        cell[bucket] = cell.get(bucket, 0) + 1

    def add_failure(self, second: int, method: str, name: str, outcome: str, status: str, message: str) -> None:
        """Count one failure by its message; beyond `MOST_MESSAGES` different ones they share a text."""
        if message not in self._messages:
            if len(self._messages) >= MOST_MESSAGES:
                message = FURTHER_MESSAGES
            else:
                self._messages.add(message)
        key = (second, method, name, outcome, status, message)
        self._failures[key] = self._failures.get(key, 0) + 1

    def take_latency(self) -> list[Row]:
        """Return (second, method, name, outcome, measure, latency_ms, count) since the last call."""
        counts, self._latency = self._latency, {}
        return [
            (second, self._text(method), self._text(name), outcome, MEASURES[key & 3], bucket_middle(key >> 2), count)
            for (second, method, name, outcome), cell in counts.items()
            for key, count in cell.items()
        ]

    def take_failures(self) -> list[Row]:
        """Return (second, method, name, outcome, status, message, count) since the last call."""
        counts, self._failures = self._failures, {}
        return [
            (second, self._text(method), self._text(name), outcome, status, message, count)
            for (second, method, name, outcome, status, message), count in counts.items()
        ]

    def _text(self, text: str) -> str:
        """Return a request's name as it may stand in a table; names repeat, so the work is done once each."""
        clean = self._clean.get(text)
        if clean is None:
            clean = self._clean[text] = one_line(redact_values(text), 500)
        return clean
