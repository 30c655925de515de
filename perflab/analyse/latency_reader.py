"""``latency.csv`` into codes: what millions of rows have in common is looked up, parsed and checked once.

Fields are told apart as whole numbers (`perflab.analyse.latency_lines`), and only one that was not seen before is
looked at as text. That costs a third of what a parser takes that makes a value of each field. It takes lines as the
recorder writes them; for whatever else is in a file it gives up, and `perflab.analyse.reading` reads it, or says which
line is damaged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from perflab.analyse.latency_lines import FACTOR, Lines, NotPlainError, Words
from perflab.analyse.reading import LATENCY, MAX_BYTES, Kind, is_within, read_run_table, torn_line
from perflab.analyse.samples import Labels, Recorded, Series
from perflab.analyse.summary import Ints, Samples, numbered
from perflab.files import open_regular
from perflab.plan.objectives import Objectives
from perflab.store.layout import RunDir
from perflab.store.manifest import RunManifest
from perflab.store.tables import LATENCY_COLUMNS
from perflab.vocabulary.measure import CLIENT, FORMER_NAMES

ValueT = TypeVar("ValueT", bound=Hashable)
_HEADER = (",".join(LATENCY_COLUMNS) + "\n").encode()
_WHOLE = re.compile(rb"\d{1,15}")
_DECIMAL = re.compile(rb"\d+(\.\d+)?(e[+-]?\d+)?")
_SLOT_BITS = 14


class _Interned(Generic[ValueT]):
    """Values by code, each once; a value comes as a word, a number of 64 bits, and is made of a field's bytes."""

    def __init__(self, parse: Callable[[bytes], ValueT]) -> None:
        self._parse = parse
        self._by_value: dict[ValueT, int] = {}
        self._by_word: dict[int, int] = {}
        # The word that was last seen in each slot, and its code.
        self._words = np.full(1 << _SLOT_BITS, 2**64 - 1, "u8")
        self._codes = np.zeros(1 << _SLOT_BITS, "int32")

    @property
    def values(self) -> list[ValueT]:
        """The values, by code."""
        return list(self._by_value)

    def code(self, value: ValueT) -> int:
        """Return the code of a value."""
        return self._by_value.setdefault(value, len(self._by_value))

    def find(self, value: ValueT) -> int:
        """Return the code of a value, -1 if there is none."""
        return self._by_value.get(value, -1)

    def codes(self, words: Words, bytes_at: Callable[[int], bytes]) -> Ints:
        """Return the code of each word; `bytes_at` is asked for the bytes at the place of one that is new."""
        slots = ((words * FACTOR) >> np.uint64(64 - _SLOT_BITS)).view("int64")
        codes: Ints = self._codes[slots]
        unknown = np.flatnonzero(self._words[slots] != words)
        if len(unknown):
            local, first = np.unique(words[unknown], return_index=True)
            for word, at in zip(local.tolist(), unknown[first].tolist(), strict=True):
                if word not in self._by_word:
                    self._by_word[word] = self.code(self._parse(bytes_at(at)))
            known = np.array([self._by_word[word] for word in local.tolist()], "int32")
            codes[unknown] = known[np.searchsorted(local, words[unknown])]
            self._words[slots[unknown]], self._codes[slots[unknown]] = words[unknown], codes[unknown]
        return codes


@dataclass(frozen=True, slots=True)
class _Rows:
    """A block of rows, all columns as codes: of each kind its second and series, and of each row its kind, latency and
    count. A second may lie in two blocks, and its kinds are then in both.
    """

    second: Ints
    series: Ints
    timed: Ints
    kind: Ints
    latency: Ints
    count: Ints


def read_samples(
    runs: Sequence[RunDir], manifests: Sequence[RunManifest], objectives: Objectives
) -> tuple[Recorded, list[str]]:
    """Read the ``latency.csv`` of all runs; returns what is to be noted about the files too, one line each.

    Raises StoreError with the file, and the line where there is one, when it is missing or damaged.
    """
    reader, notes = _Reader(), []
    for run, manifest in zip(runs, manifests, strict=True):
        torn = reader.read(run.latency)
        if torn is None:
            frame, remarks = read_run_table(run, manifest, run.latency.name, LATENCY)
            reader.take(frame)
            notes += remarks
        elif torn:
            notes.append(torn_line(run, run.latency.name))
    return reader.recorded(objectives), notes


class _Reader:
    """Reads the ``latency.csv`` of several runs; codes of fields mean the same in all of them."""

    def __init__(self) -> None:
        self._seconds = _Interned(lambda field: _parse_whole(field, "second"))
        self._series = _Interned(_parse_series)
        self._latencies = _Interned(_parse_latency)
        """In ms; None of a request that has none."""
        self._counts = _Interned(lambda field: _parse_whole(field, "count"))
        self._runs: list[list[_Rows]] = []

    def read(self, path: Path) -> bool | None:
        """Add the rows of a run's file of plain lines; None where it can't be read, is damaged, or has other lines.

        Returns whether a last line without its end was dropped.
        """
        try:
            blocks, torn = self._read(path)
        except (OSError, NotPlainError):
            return None
        self._runs.append(blocks)
        return torn

    def _read(self, path: Path) -> tuple[list[_Rows], bool]:
        blocks: list[_Rows] = []
        with open_regular(path, MAX_BYTES) as file:
            if file.read(len(_HEADER)) != _HEADER:
                raise NotPlainError
            lines = Lines()
            while lines.fill(file):
                blocks.append(self._rows(lines))
        return blocks, lines.torn

    def _rows(self, lines: Lines) -> _Rows:
        second, series, latency, count = lines.fields()
        rows = self._by_kind(
            self._seconds.codes(*second),
            self._series.codes(*series),
            self._latencies.codes(*latency),
            self._counts.codes(*count),
        )
        if not rows.timed.all():
            names = self._series.values
            if any(names[code].measure != CLIENT for code in rows.series[rows.timed == 0].tolist()):
                raise NotPlainError
        return rows

    def _by_kind(self, second: Ints, series: Ints, latency: Ints, count: Ints) -> _Rows:
        first, labels = int(second.min(initial=0)), len(self._series.values)
        key = ((second.astype("int64") - first) * labels + series) * 2 + (latency != self._latencies.find(None))
        kind, keys = numbered(key, int(key.max(initial=-1)) + 1)
        of_second, of_series = np.divmod(keys // 2, max(labels, 1))
        return _Rows(of_second + first, of_series, keys % 2, kind.astype("int32"), latency, count)

    def take(self, frame: pd.DataFrame) -> None:
        """Add the rows of a run's table that was read otherwise."""
        texts = [frame[name].cat for name in Series._fields]
        number, combinations = pd.factorize(pd.MultiIndex.from_arrays([column.codes for column in texts]))
        categories = [column.categories.tolist() for column in texts]
        series = [
            self._series.code(Series(*(of[code] for of, code in zip(categories, codes, strict=True))))
            for codes in combinations
        ]
        rows = self._by_kind(
            _codes_of(self._seconds, frame["second"]),
            np.array(series, "int32")[number],
            _codes_of(self._latencies, frame["latency_ms"]),
            _codes_of(self._counts, frame["count"]),
        )
        self._runs.append([rows])

    def recorded(self, objectives: Objectives) -> Recorded:
        """Return the samples of all runs; the reader has none of them any more."""
        latencies = np.array([np.nan if value is None else value for value in self._latencies.values], "float64")
        order = np.argsort(latencies)
        place, counts = np.argsort(order).astype("int32"), np.array(self._counts.values, "int32")
        labels = Labels(self._series.values, objectives)

        blocks = [rows for run in self._runs for rows in run]
        second, series, timed = (
            np.concatenate([np.zeros(0, "int64"), *(getattr(rows, name) for rows in blocks)])
            for name in ("second", "series", "timed")
        )
        kind, latency, count = (np.empty(sum(len(rows.kind) for rows in blocks), "int32") for _ in range(3))
        samples = np.zeros(len(second), "int64")
        kinds, row_ends, begin, at = [], [], 0, 0
        for run in self._runs:
            kinds.append(sum(len(rows.second) for rows in run))
            for rows in run:
                of_kinds = slice(begin, begin + len(rows.second))
                of_rows = slice(at, at + len(rows.kind))
                kind[of_rows], latency[of_rows], count[of_rows] = (
                    rows.kind + begin,
                    place[rows.latency],
                    counts[rows.count],
                )
                samples[of_kinds] = np.bincount(rows.kind, count[of_rows], len(rows.second))
                begin, at = of_kinds.stop, of_rows.stop
            row_ends.append(at)
            run.clear()
        # What is said of a kind's latency at all.
        latency_ms = np.where(timed, 0.0, np.nan)
        latency_ms[labels.unanswered[series]] = np.inf
        return Recorded(
            labels=labels,
            latencies=latencies[order],
            run=np.repeat(np.arange(len(kinds)), kinds),
            second=np.array(self._seconds.values, "int64")[second],
            series=series,
            kinds=Samples(labels.ok[series], labels.clock[series], latency_ms, samples),
            kind=kind,
            latency=latency,
            count=count,
            row_ends=row_ends,
        )


def _codes_of(interned: _Interned[Any], values: pd.Series[Any]) -> Ints:
    number, distinct = pd.factorize(values, use_na_sentinel=False)
    # A latency that is absent is None among those that are interned, and NaN in a frame.
    present = [None if value != value else value for value in distinct.tolist()]
    codes: Ints = np.array([interned.code(value) for value in present], "int32")[number]
    return codes


def _parse_whole(field: bytes, kind: Kind) -> int:
    if not _WHOLE.fullmatch(field) or not is_within(value := int(field), kind):
        raise NotPlainError
    return value


def _parse_latency(field: bytes) -> float | None:
    if not field:
        return None
    if not _DECIMAL.fullmatch(field) or not is_within(value := float(field), "latency"):
        raise NotPlainError
    return value


def _parse_series(field: bytes) -> Series:
    try:
        source, method, name, outcome, measure = field.decode().split(",")
    except ValueError:
        # Other fields than these, or no text at all.
        raise NotPlainError from None
    return Series(source, method, name, outcome, FORMER_NAMES.get(measure, measure))
