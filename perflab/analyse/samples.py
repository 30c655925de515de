"""Reading a run's CSV files: fast when they are whole, exact about the line when they are not."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from perflab.errors import StoreError
from perflab.store.tables import (
    FAILURE_COLUMNS,
    GENERATOR_ADDED,
    GENERATOR_COLUMNS,
    LATENCY_COLUMNS,
    RESPONSE_COLUMNS,
    TARGET_COLUMNS,
)

# The measure that each request has one sample of; the latency of one that has none is empty.
COUNTING = "client"

Kind = Literal["category", "int", "count", "latency", "number", "text"]

_TEXTS = {"source", "method", "name", "outcome", "measure", "status", "user_class"}
_COUNTS = {"count"}
_WHOLE = {"second", "users", "in_flight", "users_wanted"}


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of one of a run's CSV files, each with its kind.

    Files of earlier versions lack those that were `added` at the end, which are numbers: they read as NaN.
    """

    columns: dict[str, Kind]
    added: tuple[str, ...] = ()

    @classmethod
    def of(cls, columns: tuple[str, ...], added: tuple[str, ...] = ()) -> Table:
        """Return the table with these columns; a column's name tells its kind."""
        return cls({column: _kind(column) for column in columns}, added)

    @property
    def former(self) -> Table:
        """The table as it was before columns were added."""
        return Table({name: kind for name, kind in self.columns.items() if name not in self.added})

    def empty(self) -> pd.DataFrame:
        """Return no rows, with the columns and dtypes of a table that has some."""
        return pd.DataFrame({name: pd.Series([], dtype=_DTYPES[kind]) for name, kind in self.columns.items()})


def _kind(column: str) -> Kind:
    if column in _TEXTS:
        return "category"
    if column == "message":
        return "text"
    if column in _WHOLE:
        return "int"
    return {"count": "count", "latency_ms": "latency"}.get(column, "number")  # type: ignore[return-value]


_DTYPES: dict[Kind, Any] = {
    "category": pd.CategoricalDtype(pd.Index([], dtype="str")),
    "text": "str",
    "int": "int32",
    "count": "int64",
    "latency": "float64",
    "number": "float64",
}
_READ_AS: dict[Kind, Any] = {**_DTYPES, "category": "category", "int": "int64"}

# Read at once: enough that what a call of the parser costs is little beside it, and little beside the memory.
BATCH_BYTES = 16_000_000

LATENCY = Table.of(LATENCY_COLUMNS)
GENERATOR = Table.of(GENERATOR_COLUMNS, added=GENERATOR_ADDED)
TARGET = Table.of(TARGET_COLUMNS)
FAILURES = Table.of(FAILURE_COLUMNS)
RESPONSES = Table.of(RESPONSE_COLUMNS)


@dataclass(frozen=True, slots=True)
class Reading:
    """A file's rows, and whether a torn last line had to be dropped."""

    frame: pd.DataFrame
    torn: bool


def read_table(path: Path, table: Table) -> Reading:
    """Read one CSV file of a run; a last line without its end is dropped.

    Raises StoreError with the file, and the line where there is one, when it is missing or damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{str(path)!r} is missing: restore it or delete the run's folder") from None
    except OSError as error:
        raise StoreError(f"{str(path)!r} can't be read: {error.strerror}") from None
    whole = data.rfind(b"\n") + 1
    torn = whole < len(data)
    header = data[: data.find(b"\n")] if whole else data
    expected = ",".join(table.columns).encode()
    if whole == 0 and expected.startswith(header):
        # Killed while the header was being written.
        return Reading(table.empty(), torn=bool(data))
    if table.added and header == ",".join(table.former.columns).encode():
        former = read_table(path, table.former)
        return Reading(former.frame.assign(**dict.fromkeys(table.added, math.nan)), former.torn)
    if header != expected:
        shown = header[:80].decode("utf-8", "replace")
        raise _damaged(path, 1, f"the header is {shown!r}, not {expected.decode()!r}")
    if whole == len(header) + 1:
        return Reading(table.empty(), torn=torn)
    try:
        frame = _parse(data[:whole], table, rows=data.count(b"\n") - 1)
    except (ValueError, OverflowError, pd.errors.ParserError) as error:
        raise _locate(path, data[:whole], table, error) from None
    return Reading(frame, torn=torn)


def batches(paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
    """Yield the bounds of groups of files to be read together: as many as have `BATCH_BYTES`, or one that has more."""
    first, size = 0, 0
    for at, path in enumerate(paths):
        own = path.stat().st_size if path.is_file() else 0
        if at > first and size + own > BATCH_BYTES:
            yield first, at
            first, size = at, 0
        size += own
    if first < len(paths):
        yield first, len(paths)


def read_together(paths: Sequence[Path], table: Table) -> list[pd.DataFrame] | None:
    """Read CSV files of several runs with one call of the parser, which costs as much as some thousand rows.

    None if that can't be done, whatever the reason: `read_table` then says of each file what is the matter.
    """
    header = ",".join(table.columns).encode() + b"\n"
    try:
        contents = [path.read_bytes() for path in paths]
    except OSError:
        return None
    if not all(data.startswith(header) and data.endswith(b"\n") for data in contents):
        return None
    rows = [data.count(b"\n") - 1 for data in contents]
    if not sum(rows):
        return None
    bodies = (memoryview(data)[len(header) :] for data in contents)
    try:
        frame = _parse(b"".join([header, *bodies]), table, rows=sum(rows))
    except (ValueError, OverflowError, pd.errors.ParserError):
        return None
    ends = np.cumsum(rows)
    return [
        frame.iloc[end - count : end].reset_index(drop=True) for count, end in zip(rows, ends.tolist(), strict=True)
    ]


def _parse(data: bytes, table: Table, *, rows: int) -> pd.DataFrame:
    """Return the frame of a file with so many lines after its header; raises ValueError if its rows are not these."""
    numbers = [name for name, kind in table.columns.items() if kind in {"number", "latency"}]

    def read(dtypes: dict[str, Any]) -> pd.DataFrame:
        return pd.read_csv(
            io.BytesIO(data),
            engine="c",
            dtype=dtypes,
            usecols=None if len(dtypes) == len(table.columns) else list(dtypes),
            # An endpoint may be called "NA" or "null": only a number may be absent.
            keep_default_na=False,
            na_values={name: [""] for name in numbers},
            na_filter=bool(numbers),
            low_memory=False,
        )

    frame = read({name: _READ_AS[kind] for name, kind in table.columns.items()})
    # A field too many in every row would become the index; blank lines and unclosed quotes swallow lines.
    if not isinstance(frame.index, pd.RangeIndex) or len(frame) != rows:
        raise ValueError("rows and lines differ")
    for name, kind in table.columns.items():
        values = frame[name].to_numpy() if kind in {"int", "count", "latency"} else None
        if values is None:
            continue
        if kind == "int":
            if np.abs(values).max() > np.iinfo("int32").max:
                raise ValueError(name)
            frame[name] = values.astype("int32")
        elif kind == "count":
            if values.min() < 1:
                raise ValueError(name)
        elif not _are_latencies(values) or not _may_lack(frame, absent := np.isnan(values)):
            raise ValueError(name)
        elif absent.any() and read({name: "str"})[name].notna().to_numpy()[absent].any():
            # Written out, NaN is no latency, and not absent either.
            raise ValueError(name)
    # pandas turns categories into numbers when all of them look like some, and endpoints "1" and "01" into one.
    misread = [
        name for name, kind in table.columns.items() if kind == "category" and frame[name].cat.categories.dtype != "str"
    ]
    if misread:
        as_text = read(dict.fromkeys(misread, "str"))
        for name in misread:
            frame[name] = as_text[name].astype("category")
    return frame


def _are_latencies(values: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    return not (np.isinf(values).any() or (values < 0).any())


def _may_lack(frame: pd.DataFrame, absent: np.ndarray[Any, np.dtype[np.bool_]]) -> bool:
    """Say whether rows may be without a latency: that of a request stands only where requests are counted."""
    return not absent.any() or bool((frame["measure"].to_numpy()[absent] == COUNTING).all())


def _locate(path: Path, data: bytes, table: Table, error: Exception) -> StoreError:
    """Return the error that names the first bad line; slow, and only for a file that is known to be damaged."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as undecodable:
        line = data.count(b"\n", 0, undecodable.start) + 1
        return _damaged(path, line, "it is not UTF-8 text")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        next(lines)
        for line, row in enumerate(lines, start=2):
            if lines.line_num != line:
                return _damaged(path, line, "a quote in it is not closed")
            if len(row) != len(table.columns):
                return _damaged(path, line, f"expected {len(table.columns)} fields, found {len(row)}")
            measure = dict(zip(table.columns, row, strict=True)).get("measure")
            for (name, kind), value in zip(table.columns.items(), row, strict=True):
                if not _CHECKS[kind](value) or (kind == "latency" and not value and measure != COUNTING):
                    return _damaged(path, line, f"{name} is {value[:40]!r}")
    except csv.Error as malformed:
        closed = lines.line_num == line + 1
        return _damaged(path, line + 1, str(malformed) if closed else "a quote in it is not closed")
    return StoreError(f"{str(path)!r} is damaged ({error}): restore it or delete the run's folder")


def _damaged(path: Path, line: int, what: str) -> StoreError:
    return StoreError(f"{str(path)!r}, line {line} is damaged ({what}): restore it or delete the run's folder")


def _is_whole(value: str, least: int = -(2**31) + 1, most: int = 2**31 - 1) -> bool:
    try:
        return least <= int(value) <= most
    except ValueError:
        return False


def _is_number(value: str, *, absent: bool) -> bool:
    if not value:
        return absent
    try:
        number = float(value)
    except ValueError:
        return False
    return absent or (math.isfinite(number) and number >= 0)


_CHECKS: dict[Kind, Callable[[str], bool]] = {
    "category": lambda _: True,
    "text": lambda _: True,
    "int": _is_whole,
    "count": lambda value: _is_whole(value, least=1, most=2**63 - 1),
    "latency": lambda value: not value or _is_number(value, absent=False),
    "number": lambda value: _is_number(value, absent=True),
}
