"""The run's tables and the account of every source, in the one process that writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol

from perflab.record.delivery import Batch, Parcel
from perflab.record.faults import Faults
from perflab.record.sides import Parting
from perflab.store.handover import Answer, Order, SourceAccount, write_answer
from perflab.store.layout import RunDir
from perflab.store.tables import TableWriter, csv_text
from perflab.vocabulary.measure import CLIENT

# What a batch tells of the source's whole run so far.
_TOTALS = {field.name for field in fields(Batch)} & {field.name for field in fields(SourceAccount)}


class RunWriter:
    """Writes parcels into the tables of a run and keeps its books in `answer`."""

    def __init__(self, run_dir: Path, faults: Faults) -> None:
        """What fails while a table is written goes to `faults`, and keeps nothing from the other tables."""
        self._run = RunDir(run_dir)
        self._faults = faults
        self.answer = Answer()
        self._latency = TableWriter(self._run.latency)
        self._responses = TableWriter(self._run.responses)
        self._failures = TableWriter(self._run.failures)
        self._generator = TableWriter(self._run.generator)

    def take(self, parcel: Parcel) -> None:
        """Append a parcel's rows; their epoch seconds become seconds since the run's start."""
        batch, source = parcel.batch, parcel.source
        start = self.answer.start or 0
        account = self.answer.sources.setdefault(source, SourceAccount())
        account.pid = parcel.pid

        def since_start(row: Sequence[object]) -> int:
            return max(0, _int(row[0]) - start)

        requests = [row for row in batch.latency if row[4] == CLIENT]
        by_status = _sums(
            ((second, method, name, user_class, outcome, status), _total(counts))
            for second, method, name, outcome, _, _, status, user_class, counts in requests
        )
        # Which class of users has failed stands in responses.csv.
        failures = _sums((row[:6], _int(row[7])) for row in batch.failures)
        health = [(second, source, *row[1:]) for row in batch.generator if (second := _int(row[0]) - start) >= 0]
        texts = (
            (self._latency, "".join(_latency_lines(batch.latency, start, source))),
            (self._responses, csv_text((since_start(row), source, *row[1:]) for row in by_status)),
            (self._failures, csv_text((since_start(row), *row[1:]) for row in failures)),
            (self._generator, csv_text(health)),
        )
        account.recorded += sum(_total(row[8]) for row in requests)
        for total in _TOTALS:
            setattr(account, total, getattr(batch, total))
        account.complete = batch.last
        if batch.generator:
            account.last_second = _int(batch.generator[-1][0]) - start
        for table, text in texts:
            self._faults.guard(table.append_text)(text)

    def write_answer(self) -> None:
        """Tell perflab how far the run has come."""
        write_answer(self._run.path, self.answer)


class DuetWriter:
    """Writes each side's part into a run of its own; how far the run has come is the same for all of them."""

    def __init__(self, run_dirs: Sequence[Path], faults: Faults) -> None:
        self._writers = [RunWriter(run_dir, faults) for run_dir in run_dirs]
        self._parting = Parting(len(run_dirs))
        self.answer = self._writers[0].answer

    def take(self, parcel: Parcel) -> None:
        """Append the rows of a parcel to the tables of their side."""
        for writer, part in zip(self._writers, self._parting.part(parcel), strict=True):
            writer.take(part)

    def write_answer(self) -> None:
        """Tell perflab how far the run has come."""
        first, *others = self._writers
        first.write_answer()
        for writer in others:
            # The account of what was recorded is its own. A worker that was never heard of has none yet.
            own = {name: writer.answer.sources.get(name, SourceAccount()) for name in self.answer.sources}
            writer.answer = replace(self.answer, sources=own)
            writer.write_answer()


class Writer(Protocol):
    """What a leader writes with."""

    answer: Answer

    def take(self, parcel: Parcel) -> None:
        """Append a parcel's rows."""

    def write_answer(self) -> None:
        """Tell perflab how far the run has come."""


def open_writer(order: Order, faults: Faults) -> Writer:
    """Return the writer of the run, or of the two runs, that were ordered."""
    if order.sides:
        return DuetWriter([Path(side.run_dir) for side in order.sides], faults)
    return RunWriter(Path(order.run_dir), faults)


def _latency_lines(rows: Iterable[Sequence[Any]], start: int, source: str) -> Iterator[str]:
    """Yield the lines of latency.csv: a status and a class of users have no column there."""
    merged: dict[tuple[object, ...], dict[float | None, int]] = {}
    for second, method, name, outcome, measure, latencies, _, _, counts in rows:
        samples = merged.setdefault((max(0, second - start), source, method, name, outcome, measure), {})
        for latency_ms, count in zip(latencies, counts, strict=True):
            samples[latency_ms] = samples.get(latency_ms, 0) + count
    for front, samples in merged.items():
        # What they have in common is made into text once: there are as many lines as buckets, second by second.
        text = csv_text([front])[:-1]
        for latency_ms, count in samples.items():
            yield f"{text},{'' if latency_ms is None else latency_ms},{count}\n"


def _sums(counts: Iterable[tuple[Sequence[object], int]]) -> list[tuple[object, ...]]:
    """Return each key once, with the sum of its counts behind it."""
    sums: dict[tuple[object, ...], int] = {}
    for key, count in counts:
        fixed = tuple(key)
        sums[fixed] = sums.get(fixed, 0) + count
    return [(*key, count) for key, count in sums.items()]


def _total(counts: object) -> int:
    assert isinstance(counts, list)  # noqa: S101 - rows are made in this package
    return sum(counts)


def _int(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - rows are made in this package
    return value
