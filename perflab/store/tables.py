"""The CSV files of a run: their columns, the latency buckets, and appending rows that a kill can't tear apart."""

from __future__ import annotations

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import truediv
from pathlib import Path
from typing import NamedTuple

from perflab.errors import naming
from perflab.vocabulary.text import MAX_REQUEST_NAME, one_line

LATENCY_COLUMNS = ("second", "source", "method", "name", "outcome", "measure", "latency_ms", "count")


class HealthRow(NamedTuple):
    """One second of a generator's health: the columns of ``generator.csv`` except for the source.

    Files of earlier versions lack those in `GENERATOR_ADDED`, and have other names for those in `GENERATOR_RENAMED`.
    """

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


GENERATOR_COLUMNS = ("second", "source", *HealthRow._fields[1:])
GENERATOR_ADDED = ("client_waits_s",)
GENERATOR_RENAMED = {"behind_p50_ms": "client_overhead_p50_ms", "behind_p99_ms": "client_overhead_p99_ms"}
RESPONSE_COLUMNS = ("second", "source", "method", "name", "user_class", "outcome", "status", "count")
TARGET_COLUMNS = ("second", "cpu_percent", "rss_mb")
FAILURE_COLUMNS = ("second", "method", "name", "outcome", "status", "message", "count")

TARGET_TABLE = "target.csv"
TABLES = {
    "latency.csv": LATENCY_COLUMNS,
    "responses.csv": RESPONSE_COLUMNS,
    "generator.csv": GENERATOR_COLUMNS,
    "failures.csv": FAILURE_COLUMNS,
    TARGET_TABLE: TARGET_COLUMNS,
}

# Buckets whose middle is within 0.5 % of every value in them: the relative-error buckets of DDSketch
# (Masson, Rim and Lee, VLDB 2019) with alpha = 0.005.
ALPHA = 0.005
_GAMMA = (1 + ALPHA) / (1 - ALPHA)
LOG_GAMMA = math.log(_GAMMA)
_MIDDLE = 2 / (1 + _GAMMA)
MIN_LATENCY_MS = 0.001
MAX_LATENCY_MS = 1e10
"""No run is as long: in ms."""


def bucket_of(latency_ms: float) -> int:
    """Return the number of the bucket that holds a latency; everything below 1 µs counts as 1 µs."""
    return math.ceil(math.log(max(latency_ms, MIN_LATENCY_MS)) / LOG_GAMMA)


def count_buckets(latencies_ms: Sequence[float]) -> dict[int, int]:
    """Return how many of the latencies each bucket holds."""
    if not latencies_ms:
        return {}
    if min(latencies_ms) < MIN_LATENCY_MS:
        latencies_ms = [max(latency, MIN_LATENCY_MS) for latency in latencies_ms]
    # bucket_of, without a step of Python: this is done for every request, in the process that must keep the load up.
    return Counter(map(math.ceil, map(truediv, map(math.log, latencies_ms), repeat(LOG_GAMMA))))


# So many buckets reach from a microsecond to a month.
@lru_cache(maxsize=4096)
def bucket_middle(bucket: int) -> float:
    """Return the latency in ms that stands for a bucket, within ±0.5 % of every value in it."""
    return float(f"{_GAMMA**bucket * _MIDDLE:.6g}")


def quantile(counts: Mapping[float, int], q: float) -> float | None:
    """Return the smallest value whose cumulative count reaches `q` of the total, None of nothing."""
    wanted, cumulative = q * sum(counts.values()), 0
    for value in sorted(counts):
        cumulative += counts[value]
        if cumulative >= wanted:
            return value
    return None


def create_table(path: Path, columns: Sequence[str]) -> None:
    """Start a CSV file with its header; the processes that append to it come later."""
    with naming(path):
        path.write_text(",".join(columns) + "\n", encoding="utf-8")


def create_tables(run_dir: Path, *, managed: bool) -> None:
    """Start all tables of a run; that of the target only where it is `managed`."""
    for name, columns in TABLES.items():
        if managed or name != TARGET_TABLE:
            create_table(run_dir / name, columns)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as the lines of a CSV file, each row on one line, whatever texts are in it."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(_as_fields, rows))
    return buffer.getvalue()


def _as_fields(row: Sequence[object]) -> list[object]:
    # Nearly always a text is as it should be already, and to ask costs little.
    return [
        one_line(value, MAX_REQUEST_NAME)
        if isinstance(value, str) and not (value.isprintable() and len(value) <= MAX_REQUEST_NAME)
        else value
        for value in row
    ]


# What can't be written must not fill the memory of a generator. It is never reached without an error that was raised.
MAX_UNWRITTEN = 16 << 20


class TableWriter:
    """Appends rows to a CSV file, each batch with a single write.

    The file is opened in append mode, so several processes may write whole batches to the same file; a kill can
    cut at most the batch that is being written, and a reader drops a torn last line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._unwritten = bytearray()

    def append(self, rows: Iterable[Sequence[object]]) -> None:
        """Write rows.

        Raises OSError where that fails, on a full disk for instance; what was not written then comes first next time.
        Once there is too much of that, further rows are dropped until it is written.
        """
        self.append_text(csv_text(rows))

    def append_text(self, text: str) -> None:
        """Write lines that are such rows already."""
        if len(self._unwritten) < MAX_UNWRITTEN:
            self._unwritten += text.encode("utf-8")
        with naming(self._path):
            while self._unwritten:
                del self._unwritten[: os.write(self._fd, self._unwritten)]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
