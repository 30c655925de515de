"""A run's tables when the disk is full for a while."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from perflab.analyse.samples import LATENCY, RESPONSES, read_table
from perflab.record.delivery import Batch, LatencyRow, Parcel
from perflab.record.faults import Faults
from perflab.record.writer import RunWriter
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import Totals
from perflab.store.tables import create_tables


def parcel(number: int) -> Parcel:
    rows = [LatencyRow(number, "GET", f"/{at}" * 20, "ok", "client", [1.5], "200", "User", [1]) for at in range(100)]
    return Parcel("local", 1, number, Batch(latency=rows, totals=Totals(requests_finished=100 * number)))


def test_what_could_not_be_written_comes_later_and_whole(tmp_path: Path) -> None:
    run, faults = RunDir(tmp_path), Faults()
    create_tables(tmp_path, managed=False)
    writer = RunWriter(tmp_path, faults)
    writer.state.start = 0
    writer.take(parcel(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # In the middle of a row, and in the middle of the other table's.
        resource.setrlimit(resource.RLIMIT_FSIZE, (run.latency.stat().st_size + 1234, hard))
        writer.take(parcel(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert faults.count > 0
    assert "OSError" in faults.first
    writer.take(parcel(3))
    for path, table in ((run.latency, LATENCY), (run.responses, RESPONSES)):
        reading = read_table(path, table)
        assert not reading.torn
        assert reading.frame.groupby("second")["count"].sum().to_dict() == {1: 100, 2: 100, 3: 100}
    totals = writer.state.sources["local"].totals
    assert totals.requests_recorded == totals.requests_finished == 300


def test_a_disk_that_stays_full_costs_rows_that_are_missed_and_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, faults = RunDir(tmp_path), Faults()
    create_tables(tmp_path, managed=False)
    writer = RunWriter(tmp_path, faults)
    writer.state.start = 0
    writer.take(parcel(1))
    monkeypatch.setattr("perflab.store.tables.MOST_UNWRITTEN", 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run.latency.stat().st_size + 1234, hard))
        for number in range(2, 5):
            writer.take(parcel(number))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.take(parcel(5))
    writer.take(parcel(6))
    reading = read_table(run.latency, LATENCY)
    assert not reading.torn
    # What waited was more than is kept, so nothing came on top of it.
    assert reading.frame.groupby("second")["count"].sum().to_dict() == {1: 100, 2: 100, 6: 100}
    assert faults.count >= 3
    assert writer.state.sources["local"].totals.requests_recorded == 600
