"""Requests on their way into ``latency.csv`` and ``failures.csv``: counted in memory, handed over once a second."""

from __future__ import annotations

from operator import sub

from perflab.redact import beginning, redact_values
from perflab.store.measures import CLIENT, MEASURES
from perflab.store.tables import bucket_middle, count_buckets, one_line

# A target that fails with a new text each time must neither fill the memory nor the disk.
MOST_MESSAGES = 200
FURTHER_MESSAGES = "(further messages)"

UNANSWERED = "unanswered"

Row = tuple[object, ...]
# A finished request: beginning in epoch seconds, method, name, outcome, HTTP status ("" or 0 without one), user class,
# client ms, and (wire ms, connect ms or None) where there is a wire time.
Request = tuple[float, str, str, str, "str | int", str, float, "tuple[float, float | None] | None"]
# What one second's requests have in common: second, method, name, outcome, status, user class.
Key = tuple[int, str, str, str, "str | int", str]
# Latencies in ms, a list a measure.
Cell = tuple[list[float], list[float], list[float], list[float]]


class Counts:
    """Requests and failures since the last hand-over. Memory is bounded by one second's requests.

    Seconds are whole seconds of the epoch: only the writer of the tables knows when the run began.
    """

    def __init__(self) -> None:
        self.behind_ms: list[float] = []
        """Client minus wire of the requests that were handed over last, where there is a wire time."""
        self.total = self.unstamped = 0
        """Finished requests, and successful ones without a wire time, that were handed over."""
        # A request is only noted, and all of a second are counted in one go: many times faster than to do it between
        # two requests, and the generator's time is what the service's must not be mistaken for.
        self._noted: list[Request] = []
        self.note = self._noted.append
        """Count one finished request."""
        self._unanswered: dict[Key, list[float]] = {}
        self._failures: dict[tuple[int, str, str, str, str, str, str], int] = {}
        self._messages: set[str] = set()
        self._clean: dict[str, str] = {}

    def add_unanswered(self, second: int, method: str, name: str, user_class: str, waited_ms: float) -> None:
        """Count a request that never came back; all that is known is that it took longer than `waited_ms`."""
        self._unanswered.setdefault((second, method, name, UNANSWERED, "", user_class), []).append(waited_ms)

    def add_failure(
        self, second: int, method: str, name: str, outcome: str, status: str, message: str, user_class: str = ""
    ) -> None:
        """Count one failure by its message; beyond `MOST_MESSAGES` different ones they share a text."""
        if message not in self._messages:
            if len(self._messages) >= MOST_MESSAGES:
                message = FURTHER_MESSAGES
            else:
                self._messages.add(message)
        key = (second, method, name, outcome, status, message, user_class)
        self._failures[key] = self._failures.get(key, 0) + 1

    def take_latency(self) -> list[Row]:
        """Return what came since the last call, a tuple a bucket.

        It holds second, method, name, outcome, measure, latency_ms, status, user class and count.
        """
        self.behind_ms = []
        rows: list[Row] = []
        for key, cell in self._take_cells().items():
            self.total += len(cell[0])
            self.unstamped += len(cell[-1])
            if len(cell[0]) == len(cell[1]):
                self.behind_ms += map(sub, cell[0], cell[1])
            for measure, latencies in zip(MEASURES, cell, strict=True):
                rows += self._rows(key, measure, latencies)
        unanswered, self._unanswered = self._unanswered, {}
        for key, waited in unanswered.items():
            rows += self._rows(key, CLIENT, waited)
        return rows

    def _take_cells(self) -> dict[Key, Cell]:
        noted = self._noted.copy()
        self._noted.clear()
        cells: dict[Key, Cell] = {}
        for start, method, name, outcome, status, user_class, client_ms, measured in noted:
            key = (int(start), method, name, outcome, status, user_class)
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = ([], [], [], [])
            client, wire, connect, stand_in = cell
            client.append(client_ms)
            if measured is not None:
                wire.append(measured[0])
                if measured[1] is not None:
                    connect.append(measured[1])
            elif outcome == "ok":
                # The client clock stands in, and the row says so.
                stand_in.append(client_ms)
        return cells

    def _rows(self, key: Key, measure: str, latencies: list[float]) -> list[Row]:
        second, method, name, outcome, status, user_class = key
        front = (second, self._text(method), self._text(name), outcome, measure)
        back = (str(status or ""), user_class)
        return [(*front, bucket_middle(bucket), *back, count) for bucket, count in count_buckets(latencies).items()]

    def take_failures(self) -> list[Row]:
        """Return (second, method, name, outcome, status, message, user class, count) since the last call."""
        counts, self._failures = self._failures, {}
        return [
            (second, self._text(method), self._text(name), outcome, status, message, user_class, count)
            for (second, method, name, outcome, status, message, user_class), count in counts.items()
        ]

    def _text(self, text: str) -> str:
        """Return a request's name as it may stand in a table; names repeat, so the work is done once each."""
        clean = self._clean.get(text)
        if clean is None:
            clean = self._clean[text] = one_line(redact_values(beginning(text)), 500)
        return clean
