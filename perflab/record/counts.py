"""Requests on their way into ``latency.csv`` and ``failures.csv``: counted in memory, handed over once a second."""

from __future__ import annotations

from perflab.redact import redact_values
from perflab.store.tables import bucket_middle, bucket_of, one_line

# A target that fails with a new text each time must neither fill the memory nor the disk.
MOST_MESSAGES = 200
FURTHER_MESSAGES = "(further messages)"


class Counts:
    """Weighted samples and failures since the last hand-over. Memory is bounded by one second's variety."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.total = 0
        self._latency: dict[tuple[int, str, str, str, str, int], int] = {}
        self._failures: dict[tuple[int, str, str, str, str, str], int] = {}
        self._messages: set[str] = set()
        self._clean: dict[str, str] = {}

    def add(self, second: int, method: str, name: str, outcome: str, client_ms: float) -> None:
        """Count one finished request under the second in which it began."""
        key = (second, method, name, outcome, "client", bucket_of(client_ms))
        self._latency[key] = self._latency.get(key, 0) + 1
        self.total += 1

    def add_failure(self, second: int, method: str, name: str, outcome: str, status: str, message: str) -> None:
        """Count one failure by its message; beyond `MOST_MESSAGES` different ones they share a text."""
        if message not in self._messages:
            if len(self._messages) >= MOST_MESSAGES:
                message = FURTHER_MESSAGES
            else:
                self._messages.add(message)
        key = (second, method, name, outcome, status, message)
        self._failures[key] = self._failures.get(key, 0) + 1

    def take_latency(self) -> list[tuple[object, ...]]:
        """Return the rows for ``latency.csv`` since the last call."""
        counts, self._latency = self._latency, {}
        return [
            (
                second,
                self.source,
                self._text(method),
                self._text(name),
                outcome,
                measure,
                bucket_middle(bucket),
                count,
            )
            for (second, method, name, outcome, measure, bucket), count in counts.items()
        ]

    def take_failures(self) -> list[tuple[object, ...]]:
        """Return the rows for ``failures.csv`` since the last call."""
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
