"""Requests on their way into ``latency.csv`` and ``failures.csv``: counted in memory, delivered once a second."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub

from perflab.record.delivery import FailureRow, LatencyRow
from perflab.record.outcome import UNANSWERED, BoundedTexts
from perflab.store.tables import bucket_middle, count_buckets
from perflab.vocabulary.measure import CLIENT, FALLBACK, PHASES, WIRE, Measured
from perflab.vocabulary.text import request_name

# Neither a target that fails with a new message each time, nor a locustfile that gives each request its own name, may
# fill the memory or the disk.
MAX_MESSAGES, OTHER_MESSAGES = 200, "(other messages)"
MAX_NAMES, OTHER_NAMES = 100_000, "(other names)"

# What requests share that are counted together: the second in which they began, method, name, outcome, HTTP status (0
# without one), user class.
Key = tuple[int, str, str, str, int, str]
# Latencies in ms, a list for each measure. The source fills the first two itself, where every step counts.
Cell = tuple[list[float], ...]
_MEASURES = (CLIENT, WIRE, *PHASES, FALLBACK)
OF_CLIENT, OF_WIRE = 0, 1
_PLACES = {measure: at for at, measure in enumerate(_MEASURES)}


class Counts:
    """Requests and failures since the last delivery. Memory is bounded by one second's requests."""

    def __init__(self) -> None:
        self.overheads_ms: list[float] = []
        """Client minus wire time of the requests that were taken last, where there is a wire time."""
        self.total = self.without_wire_time = self.without_latency = 0
        """Requests taken so far: all finished ones, successful ones without a wire time, those without a latency."""
        # Latencies are only collected, and sorted into buckets once a second: many times faster than doing it between
        # two requests, and time that the generator spends looks like the service's. Lists of numbers, because Python's
        # garbage collector scans anything that has members again and again.
        self.cells: dict[Key, Cell] = {}
        """The requests noted since the last delivery; always the same dict."""
        self._without_latency: dict[Key, int] = {}
        self._unanswered: dict[Key, list[float]] = {}
        self._failures: dict[tuple[int, str, str, str, str, str, str], int] = {}
        self._messages = BoundedTexts(MAX_MESSAGES, OTHER_MESSAGES)
        self._names = BoundedTexts(MAX_NAMES, OTHER_NAMES)

    def note(self, key: Key, client_ms: float | None, measured: Measured | None) -> None:
        """Count one finished request: its time by the client, None without one, and what the wire clock tells."""
        if client_ms is None:
            self._without_latency[key] = self._without_latency.get(key, 0) + 1
            return
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = tuple([] for _ in _MEASURES)
        cell[OF_CLIENT].append(client_ms)
        if measured is not None:
            cell[OF_WIRE].append(measured[0])
            if measured[1] is not None:
                for phase, latency_ms in measured[1].items():
                    cell[_PLACES[phase]].append(latency_ms)
        elif key[3] == "ok":
            # The client's time is the fallback, and the row says so.
            cell[-1].append(client_ms)

    def add_unanswered(self, second: int, method: str, name: str, user_class: str, waited_ms: float) -> None:
        """Count a request that never came back: all that is known is that it took longer than `waited_ms`."""
        self._unanswered.setdefault((second, method, name, UNANSWERED, 0, user_class), []).append(waited_ms)

    def add_failure(
        self, second: int, method: str, name: str, outcome: str, status: str, message: str, user_class: str = ""
    ) -> None:
        """Count one failure by its message; beyond `MAX_MESSAGES` different ones, all share one text."""
        key = (second, method, name, outcome, status, self._messages.bound(message), user_class)
        self._failures[key] = self._failures.get(key, 0) + 1

    def take_latency(self) -> list[LatencyRow]:
        """Return the requests since the last call."""
        self.overheads_ms = []
        rows: list[LatencyRow] = []
        cells = self.cells.copy()
        self.cells.clear()
        for key, cell in cells.items():
            client, wire, *_, fallback = cell
            self.total += len(client)
            self.without_wire_time += len(fallback)
            if len(client) == len(wire):
                self.overheads_ms += map(sub, client, wire)
            for measure, latencies in zip(_MEASURES, cell, strict=True):
                if latencies:
                    rows.append(self._row(key, measure, latencies))
        without_latency, self._without_latency = self._without_latency, {}
        for key, count in without_latency.items():
            self.total += count
            self.without_latency += count
            rows.append(self._with(key, CLIENT, [None], [count]))
        unanswered, self._unanswered = self._unanswered, {}
        for key, waited in unanswered.items():
            rows.append(self._row(key, CLIENT, waited))
        return rows

    def take_failures(self) -> list[FailureRow]:
        """Return the failures since the last call."""
        counts, self._failures = self._failures, {}
        return [
            FailureRow(second, self._name(method), self._name(name), outcome, status, message, user_class, count)
            for (second, method, name, outcome, status, message, user_class), count in counts.items()
        ]

    def _row(self, key: Key, measure: str, latencies: list[float]) -> LatencyRow:
        buckets = count_buckets(latencies)
        return self._with(key, measure, [bucket_middle(bucket) for bucket in buckets], list(buckets.values()))

    def _with(self, key: Key, measure: str, latencies_ms: Sequence[float | None], counts: Sequence[int]) -> LatencyRow:
        second, method, name, outcome, status, user_class = key
        front = (second, self._name(method), self._name(name), outcome, measure)
        return LatencyRow(*front, latencies_ms, str(status or ""), user_class, counts)

    def _name(self, text: str) -> str:
        """Return a method or name as it is written down."""
        return self._names.bound(request_name(text))
