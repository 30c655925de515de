"""The figures of the live display, read from the growing tables of a run."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perflab.store.layout import RunDir
from perflab.store.tables import GENERATOR_COLUMNS, LATENCY_COLUMNS, quantile
from perflab.vocabulary.measure import LatencyCounts, Role, goes_by_wire, role_of


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
    succeeded: LatencyCounts = field(default_factory=LatencyCounts)


class RunTail:
    """Follows ``latency.csv`` and ``generator.csv`` of one run, or of several that one Locust makes."""

    def __init__(self, run: RunDir, *others: RunDir) -> None:
        self._latency = [TableTail(each.latency) for each in (run, *others)]
        # All of them are made by the same users.
        self._generator = TableTail(run.generator)
        self._seconds: dict[int, _Second] = defaultdict(_Second)
        self._users: dict[int, dict[str, int]] = defaultdict(dict)
        self._lost_s: dict[int, float] = defaultdict(float)
        self.seen: list[dict[tuple[int, str], tuple[float, int]]] = [{} for _ in self._latency]
        """For each run the outcomes of its requests, see `perflab.store.silence.Seen`."""
        self.requests = 0
        self.failures = 0

    def read(self) -> None:
        """Read the rows that were appended since the last call."""
        for table, seen in zip(self._latency, self.seen, strict=True):
            for row in table.rows(LATENCY_COLUMNS):
                self._take(row, seen)
        for row in self._generator.rows(GENERATOR_COLUMNS):
            self._users[int(row["second"])][row["source"]] = int(row["users"])
            self._lost_s[int(row["second"])] += float(row["lost_s"])

    def _take(self, row: Mapping[str, str], seen: dict[tuple[int, str], tuple[float, int]]) -> None:
        count, role, ok = int(row["count"]), role_of(row["measure"]), row["outcome"] == "ok"
        second = self._seconds[int(row["second"])]
        # A request whose event had no latency is counted, and no more.
        if ok and row["latency_ms"]:
            second.succeeded.add(role, float(row["latency_ms"]), count)
        if role is not Role.COUNTS:
            return
        key = int(row["second"]), row["outcome"]
        longest, before = seen.get(key, (0.0, 0))
        seen[key] = max(longest, float(row["latency_ms"] or 0)), before + count
        failed = 0 if ok else count
        second.requests += count
        self.requests += count
        second.failures += failed
        self.failures += failed

    @property
    def users(self) -> int:
        """Users running in the last recorded second, over all sources."""
        return sum(self._users[max(self._users)].values()) if self._users else 0

    @property
    def seconds(self) -> int:
        """How many seconds of the generator have been recorded."""
        return len(self._users)

    def achieved_load(self, seconds: int) -> float:
        """Return the share of the intended load that was achieved in the last `seconds`; 1 without users."""
        last = sorted(self._users)[-seconds:]
        users = sum(sum(self._users[second].values()) for second in last)
        return 1 - sum(self._lost_s[second] for second in last) / users if users else 1.0

    def points(self) -> list[LivePoint]:
        """Return the run so far, second by second."""
        by_wire = self._by_wire()
        return [
            LivePoint(
                number,
                second.requests,
                second.failures,
                quantile(second.succeeded.judged(by_wire), 0.95),
                sum(self._users.get(number, {}).values()),
            )
            for number, second in sorted(self._seconds.items())
        ]

    def recent(self, seconds: int = 5) -> tuple[float, float | None]:
        """Return (requests/s, p95 in ms) over the last `seconds`, without the second that is still being written."""
        if not self._seconds:
            return 0.0, None
        last = max(self._seconds)
        wanted = [self._seconds[second] for second in range(max(0, last - seconds), last) if second in self._seconds]
        merged: Counter[float] = Counter()
        by_wire = self._by_wire()
        for second in wanted:
            merged.update(second.succeeded.judged(by_wire))
        return sum(second.requests for second in wanted) / max(1, min(seconds, last)), quantile(merged, 0.95)

    def _by_wire(self) -> bool:
        """Say whether latencies go by the wire clock: one clock for all of the run so far."""
        succeeded = [second.succeeded for second in self._seconds.values()]
        return bool(goes_by_wire(sum(one.stamped for one in succeeded), sum(one.answered for one in succeeded)))


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
