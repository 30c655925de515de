"""Requests on their way into ``latency.csv`` and ``failures.csv``: counted in memory, handed over once a second."""

from __future__ import annotations

from perflab.redact import redact_values
from perflab.store.tables import bucket_middle, count_buckets, one_line

# A target that fails with a new text each time must neither fill the memory nor the disk.
MOST_MESSAGES = 200
FURTHER_MESSAGES = "(further messages)"

MEASURES = ("client", "wire", "connect", "stand_in")

Row = tuple[object, ...]
# Latencies in ms, a list a measure.
Cell = tuple[list[float], list[float], list[float], list[float]]


class Counts:
    """Requests and failures since the last hand-over. Memory is bounded by one second's requests.

    Seconds are whole seconds of the epoch: only the writer of the tables knows when the run began.
    """

    def __init__(self) -> None:
        self.total = self.unstamped = 0
        """Finished requests, and successful ones without a wire time, that were handed over."""
        self._latency: dict[tuple[int, str, str, str], Cell] = {}
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
        # Latencies are only noted here and put into buckets once a second, many at a time: this is done for each
        # request of the generator, whose time is what the service's must not be mistaken for.
        key = (second, method, name, outcome)
        try:
            client, wire, connect, stand_in = self._latency[key]
        except KeyError:
            client, wire, connect, stand_in = self._latency[key] = ([], [], [], [])
        client.append(client_ms)
        if measured is not None:
            wire.append(measured[0])
            if measured[1] is not None:
                connect.append(measured[1])
        elif outcome == "ok":
            # The client clock stands in, and the row says so.
            stand_in.append(client_ms)

    def add_unanswered(self, second: int, method: str, name: str, waited_ms: float) -> None:
        """Count a request that never came back; all that is known is that it took longer than `waited_ms`."""
        self._latency.setdefault((second, method, name, "unanswered"), ([], [], [], []))[0].append(waited_ms)

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
        cells, self._latency = self._latency, {}
        rows: list[Row] = []
        for (second, method, name, outcome), cell in cells.items():
            if outcome != "unanswered":
                self.total += len(cell[0])
                self.unstamped += len(cell[-1])
            front = (second, self._text(method), self._text(name), outcome)
            for measure, latencies in zip(MEASURES, cell, strict=True):
                rows += [
                    (*front, measure, bucket_middle(bucket), count)
                    for bucket, count in count_buckets(latencies).items()
                ]
        return rows

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
