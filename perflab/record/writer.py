"""The run's tables and the account of every source, in the one process that writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from perflab.record.delivery import Parcel
from perflab.record.sides import Parting
from perflab.store.handover import Answer, Order, SourceAccount, write_answer
from perflab.store.layout import RunDir
from perflab.store.measures import CLIENT
from perflab.store.tables import TableWriter


class RunWriter:
    """Writes parcels into the tables of a run and keeps its books in `answer`."""

    def __init__(self, run_dir: Path) -> None:
        self._run = RunDir(run_dir)
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

        def placed(rows: Iterable[Sequence[object]]) -> list[Sequence[object]]:
            return [(max(0, _int(row[0]) - start), source, *row[1:]) for row in rows]

        requests = [row for row in batch.latency if row[4] == CLIENT]
        self._latency.append(placed(_sums((row[:6], _int(row[8])) for row in batch.latency)))
        self._responses.append(
            placed(
                _sums(
                    ((second, method, name, user_class, outcome, status), _int(count))
                    for second, method, name, outcome, _, _, status, user_class, count in requests
                )
            )
        )
        # Which class of users has failed stands in responses.csv.
        failures = _sums((row[:6], _int(row[7])) for row in batch.failures)
        self._failures.append([(max(0, _int(row[0]) - start), *row[1:]) for row in failures])
        self._generator.append(
            [(second, source, *row[1:]) for row in batch.generator if (second := _int(row[0]) - start) >= 0]
        )
        account.recorded += sum(_int(row[8]) for row in requests)
        account.finished, account.locust_finished = batch.finished, batch.locust_finished
        account.unanswered, account.unstamped = batch.unanswered, batch.unstamped
        account.task_exceptions, account.clock_step_ms = batch.task_exceptions, batch.clock_step_ms
        account.strayed, account.complete = batch.strayed, batch.last
        account.exceptions = batch.exceptions
        if batch.generator:
            account.last_second = _int(batch.generator[-1][0]) - start

    def write_answer(self) -> None:
        """Tell perflab how far the run has come."""
        write_answer(self._run.path, self.answer)


class DuetWriter:
    """Writes each side's part into a run of its own; how far the run has come is the same for all of them."""

    def __init__(self, run_dirs: Sequence[Path]) -> None:
        self._writers = [RunWriter(run_dir) for run_dir in run_dirs]
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


def open_writer(order: Order) -> Writer:
    """Return the writer of the run, or of the two runs, that were ordered."""
    if order.sides:
        return DuetWriter([Path(side.run_dir) for side in order.sides])
    return RunWriter(Path(order.run_dir))


def _sums(counts: Iterable[tuple[Sequence[object], int]]) -> list[tuple[object, ...]]:
    """Return each key once, with the sum of its counts behind it."""
    sums: dict[tuple[object, ...], int] = {}
    for key, count in counts:
        fixed = tuple(key)
        sums[fixed] = sums.get(fixed, 0) + count
    return [(*key, count) for key, count in sums.items()]


def _int(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - rows are made in this package
    return value
