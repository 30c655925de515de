"""The figures of the live display, read from the growing tables of a run."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from perflab.store.layout import RunDir
from perflab.store.tables import GENERATOR_COLUMNS, LATENCY_COLUMNS, quantile
from perflab.vocabulary.measure import CLIENT, STAND_IN, WIRE, goes_by_wire


@dataclass(frozen=True, slots=True)
class LivePoint:
    """One second of a run in progress; p95 is that of its successful requests, None without any."""

    second: int
    requests: int
    failures: int
    p95_ms: float | None
    users: int


@dataclass(slots=True)
class _Second:
    requests: int = 0
    failures: int = 0
    by_client: Counter[float] = field(default_factory=Counter)
    by_wire: Counter[float] = field(default_factory=Counter)
    """Latencies of successful requests by either clock; the client's is the fallback where there is no wire time."""


class RunTail:
    """Follows ``latency.csv`` and ``generator.csv`` of one run, or of several that one Locust makes."""

    def __init__(self, run: RunDir, *others: RunDir) -> None:
        self._latency = [TableTail(each.latency) for each in (run, *others)]
        # All of them are made by the same users.
        self._generator = TableTail(run.generator)
        self._seconds: dict[int, _Second] = defaultdict(_Second)
        self._users: dict[int, dict[str, int]] = defaultdict(dict)
        self.seen: list[dict[tuple[int, str], tuple[float, int]]] = [{} for _ in self._latency]
        """For each run the outcomes of its requests, see `perflab.store.silence.Seen`."""
        self.requests = 0
        self.failures = 0
        self._stamped = self._answered = 0

    def read(self) -> None:
        """Read the rows that were appended since the last call."""
        for row, seen in (
            (row, seen)
            for table, seen in zip(self._latency, self.seen, strict=True)
            for row in table.rows(LATENCY_COLUMNS)
        ):
            count = int(row["count"])
            second = self._seconds[int(row["second"])]
            measure = row["measure"]
            # A request without a latency is only counted.
            if row["outcome"] == "ok" and row["latency_ms"] and measure in (CLIENT, WIRE, STAND_IN):
                (second.by_client if measure == CLIENT else second.by_wire)[float(row["latency_ms"])] += count
                self._stamped += count if measure == WIRE else 0
                self._answered += count if measure == CLIENT else 0
            if measure != CLIENT:
                continue
            key = int(row["second"]), row["outcome"]
            longest, before = seen.get(key, (0.0, 0))
            seen[key] = max(longest, float(row["latency_ms"] or 0)), before + count
            second.requests += count
            self.requests += count
            if row["outcome"] != "ok":
                second.failures += count
                self.failures += count
        for row in self._generator.rows(GENERATOR_COLUMNS):
            self._users[int(row["second"])][row["source"]] = int(row["users"])

    @property
    def users(self) -> int:
        """Users running in the last recorded second, over all sources."""
        return sum(self._users[max(self._users)].values()) if self._users else 0

    def points(self) -> list[LivePoint]:
        """Return the run so far, second by second."""
        return [
            LivePoint(
                second,
                seen.requests,
                seen.failures,
                quantile(self._latencies(seen), 0.95),
                sum(self._users.get(second, {}).values()),
            )
            for second, seen in sorted(self._seconds.items())
        ]

    def recent(self, seconds: int = 5) -> tuple[float, float | None]:
        """Return (requests/s, p95 in ms) over the last `seconds`, without the second that is still being written."""
        if not self._seconds:
            return 0.0, None
        last = max(self._seconds)
        wanted = [self._seconds[second] for second in range(max(0, last - seconds), last) if second in self._seconds]
        merged: Counter[float] = Counter()
        for seen in wanted:
            merged.update(self._latencies(seen))
        return sum(seen.requests for seen in wanted) / max(1, min(seconds, last)), quantile(merged, 0.95)

    def _latencies(self, second: _Second) -> Counter[float]:
        """Return a second's latencies by the clock of the run so far."""
        by_wire = goes_by_wire(self._stamped, self._answered)
        return second.by_wire if by_wire else second.by_client


class TableTail:
    """Follows one growing table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._header_seen = False

    def rows(self, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
        """Return the complete rows that were appended since the last call, by column."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        lines = whole.decode("utf-8").splitlines()
        if lines and not self._header_seen:
            self._header_seen, lines = True, lines[1:]
        for values in csv.reader(lines):
            yield dict(zip(columns, values, strict=True))
