"""Reading a run's CSV files: fast when they are whole, exact about the line when they are not."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from perflab.errors import StoreError
from perflab.fields import MAX_AMOUNT, MAX_NUMBER, MAX_RUN_S
from perflab.files import read_bytes
from perflab.store.layout import RunDir
from perflab.store.manifest import RunManifest
from perflab.store.tables import (
    FAILURE_COLUMNS,
    GENERATOR_ADDED,
    GENERATOR_COLUMNS,
    GENERATOR_RENAMED,
    LATENCY_COLUMNS,
    MAX_LATENCY_MS,
    RESPONSE_COLUMNS,
    TARGET_COLUMNS,
)
from perflab.vocabulary.measure import CLIENT, FORMER_NAMES

Kind = Literal["category", "second", "int", "count", "latency", "number", "text"]

# By a column's name; all others are of numbers.
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("source", "method", "name", "outcome", "measure", "status", "user_class"), "category"),
    **dict.fromkeys(("users", "in_flight", "users_wanted"), "int"),
    "second": "second",
    "count": "count",
    "latency_ms": "latency",
    "message": "text",
}


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of one of a run's CSV files, each with its kind.

    Files of earlier versions have former names for those that were `renamed` (former: new), and may lack those that
    were `added` at the end, which are numbers: they read as NaN.
    """

    columns: dict[str, Kind]
    added: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, columns: tuple[str, ...], added: tuple[str, ...] = (), renamed: Mapping[str, str] | None = None
    ) -> Table:
        """Return the table with these columns; a column's name tells its kind."""
        return cls({column: _KINDS.get(column, "number") for column in columns}, added, renamed or {})

    @property
    def former(self) -> list[Table]:
        """The table as earlier versions wrote it: with its former names, and without what was added."""
        names = {new: former for former, new in self.renamed.items()}
        columns = {names.get(name, name): kind for name, kind in self.columns.items()}
        return [Table(columns), Table({name: kind for name, kind in columns.items() if name not in self.added})]

    def empty(self) -> pd.DataFrame:
        """Return no rows, with the columns and dtypes of a table that has some."""
        return pd.DataFrame({name: pd.Series([], dtype=_DTYPES[kind]) for name, kind in self.columns.items()})


_DTYPES: dict[Kind, Any] = {
    "category": pd.CategoricalDtype(pd.Index([], dtype="str")),
    "text": "str",
    "second": "int32",
    "int": "int32",
    "count": "int64",
    "latency": "float64",
    "number": "float64",
}
_READ_AS: dict[Kind, Any] = {**_DTYPES, "category": "category", "second": "int64", "int": "int64"}
# What each kind of number may be, bounds included. A kind that is not here may be any text.
_BOUNDS: dict[Kind, tuple[float, float]] = {
    "second": (0, MAX_RUN_S),
    "int": (0, MAX_NUMBER),
    "count": (1, MAX_NUMBER),
    "latency": (0, MAX_LATENCY_MS),
    "number": (-MAX_AMOUNT, MAX_AMOUNT),
}

# Read at once: enough that what a call of the parser costs is little beside it, and little beside the memory.
BATCH_BYTES = 16_000_000
# Of one file; more would not be understood in a bearable time, and fill the memory.
MAX_BYTES = 1_000_000_000

LATENCY = Table.of(LATENCY_COLUMNS)
GENERATOR = Table.of(GENERATOR_COLUMNS, added=GENERATOR_ADDED, renamed=GENERATOR_RENAMED)
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
        data = read_bytes(path, MAX_BYTES)
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
    for former in table.former if header != expected else ():
        if header == ",".join(former.columns).encode():
            reading = read_table(path, former)
            lacking = {name: math.nan for name in table.added if name not in reading.frame}
            return Reading(reading.frame.rename(columns=dict(table.renamed)).assign(**lacking), reading.torn)
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


def read_run_tables(
    runs: Sequence[RunDir], manifests: Sequence[RunManifest], filename: str, table: Table
) -> tuple[list[pd.DataFrame], list[str]]:
    """Return one table of each run, and what is to be noted about them; raises StoreError."""
    frames: list[pd.DataFrame] = []
    notes: list[str] = []
    for first, last in _batches([run.path / filename for run in runs]):
        together = _read_together([run.path / filename for run in runs[first:last]], table)
        if together is not None:
            frames += together
            continue
        for run, manifest in zip(runs[first:last], manifests[first:last], strict=True):
            frame, remarks = read_run_table(run, manifest, filename, table)
            frames.append(frame)
            notes += remarks
    return frames, notes


def read_run_table(run: RunDir, manifest: RunManifest, filename: str, table: Table) -> tuple[pd.DataFrame, list[str]]:
    """Return one table of a run, and what is to be noted about it; raises StoreError.

    A file that a complete run must have is an error when it is missing; a run that was cut short may lack it.
    """
    path = run.path / filename
    try:
        reading = read_table(path, table)
    except StoreError:
        # Only a managed target is measured, and sweeps of earlier versions have no responses.csv.
        optional = {"responses.csv"} if manifest.plan.launch is not None else {"responses.csv", "target.csv"}
        expected = filename not in optional
        if path.exists() or (expected and manifest.status == "complete"):
            raise
        missing = f"{run.name}/{filename}: missing, the run was cut short before it was begun"
        return table.empty(), [missing] if expected else []
    return reading.frame, [torn_line(run, filename)] if reading.torn else []


def torn_line(run: RunDir, filename: str) -> str:
    """Return the note about a file whose last line has no end."""
    return f"{run.name}/{filename}: torn last line dropped"


def _batches(paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
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


def _read_together(paths: Sequence[Path], table: Table) -> list[pd.DataFrame] | None:
    """Read CSV files of several runs with one call of the parser, which costs as much as some thousand rows.

    None if that can't be done, whatever the reason: `read_table` then says of each file what is the matter.
    """
    header = ",".join(table.columns).encode() + b"\n"
    try:
        contents = [read_bytes(path, MAX_BYTES) for path in paths]
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
        # A number that is too large for its kind is seen below; pandas would warn of it on stderr.
        with np.errstate(invalid="ignore"):
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
        if kind not in _BOUNDS:
            continue
        values, (least, most) = frame[name].to_numpy(), _BOUNDS[kind]
        if (values < least).any() or (values > most).any():
            raise ValueError(name)
        if _DTYPES[kind] != values.dtype:
            frame[name] = values.astype(_DTYPES[kind])
        absent = np.isnan(values) if kind == "latency" else np.zeros(0, "bool")
        # Only where requests are counted may it be absent; written out, NaN is no latency, and not absent either.
        if absent.any() and (
            (frame["measure"].to_numpy()[absent] != CLIENT).any()
            or read({name: "str"})[name].notna().to_numpy()[absent].any()
        ):
            raise ValueError(name)
    # pandas turns categories into numbers when all of them look like some, and endpoints "1" and "01" into one.
    misread = [
        name for name, kind in table.columns.items() if kind == "category" and frame[name].cat.categories.dtype != "str"
    ]
    if misread:
        as_text = read(dict.fromkeys(misread, "str"))
        for name in misread:
            frame[name] = as_text[name].astype("category")
    if "measure" in frame and not FORMER_NAMES.keys().isdisjoint(frame["measure"].cat.categories):
        frame["measure"] = frame["measure"].astype("str").replace(FORMER_NAMES).astype("category")
    return frame


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
                if not _may_be(value, kind) or (kind == "latency" and not value and measure != CLIENT):
                    return _damaged(path, line, f"{name} is {value[:40]!r}")
    except csv.Error as malformed:
        closed = lines.line_num == line + 1
        return _damaged(path, line + 1, str(malformed) if closed else "a quote in it is not closed")
    return StoreError(f"{str(path)!r} is damaged ({error}): restore it or delete the run's folder")


def _damaged(path: Path, line: int, what: str) -> StoreError:
    return StoreError(f"{str(path)!r}, line {line} is damaged ({what}): restore it or delete the run's folder")


def _may_be(value: str, kind: Kind) -> bool:
    """Say whether a field may be of this kind."""
    if kind not in _BOUNDS:
        return True
    parse = float if kind in {"latency", "number"} else int
    try:
        number = math.nan if parse is float and not value else parse(value)
    except ValueError:
        return False
    # What is not known of the generator's health may be absent in any spelling.
    return is_within(number, kind) or (math.isnan(number) and (not value or kind == "number"))


def is_within(number: float, kind: Kind) -> bool:
    """Say whether a number may be a value of this kind."""
    least, most = _BOUNDS[kind]
    return least <= number <= most
