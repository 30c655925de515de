"""Writes the run's tables and its state, in one process for all sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from perflab.record.delivery import MARK, FailureRow, LatencyRow, Parcel
from perflab.record.outcome import UNANSWERED
from perflab.record.role import Faults
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import RunConfiguration, RunState, SourceState, Totals, write_state
from perflab.store.tables import TableWriter, csv_text
from perflab.vocabulary.measure import CLIENT, FALLBACK

RowT = TypeVar("RowT", LatencyRow, FailureRow)


class RunWriter:
    """Writes parcels into the tables of a run and keeps the run's `state`."""

    def __init__(self, run_dir: Path, faults: Faults) -> None:
        """A table that can't be written counts as one of the `faults`, and doesn't affect the other tables."""
        self._run = RunDir(run_dir)
        self._faults = faults
        self.state = RunState()
        self._latency = TableWriter(self._run.latency)
        self._responses = TableWriter(self._run.responses)
        self._failures = TableWriter(self._run.failures)
        self._generator = TableWriter(self._run.generator)

    def take(self, parcel: Parcel) -> None:
        """Append a parcel's rows; their epoch seconds become seconds since the run's start."""
        batch, name = parcel.batch, parcel.source
        start = self.state.start or 0
        requests = [row for row in batch.latency if row.measure == CLIENT]
        responses: Counter[tuple[object, ...]] = Counter()
        for row in requests:
            front = (max(0, row.second - start), name, row.method, row.name)
            responses[*front, row.user_class, row.outcome, row.status] += sum(row.counts)
        # failures.csv has no user classes; responses.csv does.
        failures: Counter[tuple[object, ...]] = Counter()
        for failed in batch.failures:
            failures[max(0, failed.second - start), *failed[1:6]] += failed.requests
        health = [(row.second - start, name, *row[1:]) for row in batch.generator if row.second >= start]
        texts = (
            (self._latency, "".join(_latency_lines(batch.latency, start, name))),
            (self._responses, csv_text((*key, count) for key, count in responses.items())),
            (self._failures, csv_text((*key, count) for key, count in failures.items())),
            (self._generator, csv_text(health)),
        )
        source = self.state.sources.setdefault(name, SourceState())
        recorded = source.totals.requests_recorded + sum(sum(row.counts) for row in requests)
        source.totals = batch.totals.model_copy(update={"requests_recorded": recorded})
        source.pid, source.complete = parcel.pid, batch.last
        if batch.generator:
            source.last_second = batch.generator[-1].second - start
        for table, text in texts:
            self._faults.guard(table.append_text)(text)

    def write_state(self) -> None:
        """Write the run's state, for perflab to read."""
        write_state(self._run.path, self.state)


class SplitBySide:
    """Splits the parcels of all sources of a duet by side, each as if its side had been recorded alone."""

    def __init__(self, sides: int) -> None:
        self._sides = sides
        self._totals: dict[tuple[str, int], Totals] = {}

    def split(self, parcel: Parcel) -> list[Parcel]:
        """Return one parcel per side.

        Locust's own totals don't know of sides: requests that were made but not recorded count against both. So do
        requests to other addresses.
        """
        batch = parcel.batch
        latency, failures = _split(batch.latency, self._sides), _split(batch.failures, self._sides)
        counted = [self._count(parcel.source, side, rows) for side, rows in enumerate(latency)]
        made = batch.totals.requests_finished + batch.totals.unanswered
        missing = made - sum(totals.requests_recorded for totals in counted)
        uncounted = batch.totals.locust_finished - batch.totals.requests_finished
        parcels = []
        for side, totals in enumerate(counted):
            finished = totals.requests_recorded - totals.unanswered + missing
            own = {name: getattr(totals, name) for name in ("unanswered", "without_wire_time", "without_latency")}
            own |= {"requests_finished": finished, "locust_finished": finished + uncounted}
            totals_of_side = batch.totals.model_copy(update=own)
            batch_of_side = replace(batch, latency=latency[side], failures=failures[side], totals=totals_of_side)
            parcels.append(replace(parcel, batch=batch_of_side))
        return parcels

    def _count(self, source: str, side: int, rows: Sequence[LatencyRow]) -> Totals:
        """Return the totals of a source's side so far, including `rows`."""
        requests = [row for row in rows if row.measure == CLIENT]
        added = Totals(
            requests_recorded=_sum(requests),
            unanswered=_sum(row for row in requests if row.outcome == UNANSWERED),
            without_wire_time=_sum(row for row in rows if row.measure == FALLBACK),
            without_latency=_sum(row for row in rows if None in row.latencies_ms),
        )
        totals = self._totals[source, side] = Totals.of_all([self._totals.get((source, side), Totals()), added])
        return totals


def _split(rows: Iterable[RowT], sides: int) -> list[list[RowT]]:
    """Return the rows of each side, with the side removed from their user class.

    Requests that weren't made by a user of a side belong to neither, so they will be missed.
    """
    parts: list[list[RowT]] = [[] for _ in range(sides)]
    for row in rows:
        # A class may have any name: the side follows the last mark.
        user_class, mark, side = row.user_class.rpartition(MARK)
        if mark and side.isdecimal() and int(side) < sides:
            parts[int(side)].append(row._replace(user_class=user_class))
    return parts


def _sum(rows: Iterable[LatencyRow]) -> int:
    return sum(sum(row.counts) for row in rows)


class DuetWriter:
    """Writes each side of a duet into a run of its own."""

    def __init__(self, run_dirs: Sequence[Path], faults: Faults) -> None:
        self._writers = [RunWriter(run_dir, faults) for run_dir in run_dirs]
        self._by_side = SplitBySide(len(run_dirs))
        self.state = self._writers[0].state

    def take(self, parcel: Parcel) -> None:
        """Append the rows of a parcel to the tables of their side."""
        for writer, part in zip(self._writers, self._by_side.split(parcel), strict=True):
            writer.take(part)

    def write_state(self) -> None:
        """Write the run's state, for perflab to read."""
        first, *others = self._writers
        first.write_state()
        for writer in others:
            # The side's own sources, with an empty state for a worker that hasn't delivered anything yet.
            own = {name: writer.state.sources.get(name, SourceState()) for name in self.state.sources}
            writer.state = replace(self.state, sources=own)
            writer.write_state()


def open_writer(configuration: RunConfiguration, faults: Faults) -> RunWriter | DuetWriter:
    """Return the writer of the run, or of the two runs of a duet."""
    if configuration.sides:
        return DuetWriter([Path(side.run_dir) for side in configuration.sides], faults)
    return RunWriter(Path(configuration.run_dir), faults)


def _latency_lines(rows: Iterable[LatencyRow], start: int, source: str) -> Iterator[str]:
    """Yield the lines of latency.csv, which has no columns for status and user class."""
    merged: dict[tuple[object, ...], Counter[float | None]] = {}
    for row in rows:
        front = (max(0, row.second - start), source, row.method, row.name, row.outcome, row.measure)
        samples = merged.setdefault(front, Counter())
        for latency_ms, count in zip(row.latencies_ms, row.counts, strict=True):
            samples[latency_ms] += count
    for common, samples in merged.items():
        # Formatted once, because there is a line for each bucket of each second.
        text = csv_text([common])[:-1]
        for latency_ms, count in samples.items():
            yield f"{text},{'' if latency_ms is None else latency_ms},{count}\n"
