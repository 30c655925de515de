"""A run's tables when the disk is full for a while, and a duet's rows split by side."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from perflab.analyse.reading import LATENCY, RESPONSES, read_table
from perflab.record.delivery import Batch, FailureRow, LatencyRow, Parcel
from perflab.record.role import Faults
from perflab.record.writer import RunWriter, SplitBySide
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import Totals
from perflab.store.tables import HealthRow, create_tables


def full_parcel(number: int) -> Parcel:
    rows = [LatencyRow(number, "GET", f"/{at}" * 20, "ok", "client", [1.5], "200", "User", [1]) for at in range(100)]
    return Parcel("local", 1, number, Batch(latency=rows, totals=Totals(requests_finished=100 * number)))


def test_what_could_not_be_written_comes_later_and_whole(tmp_path: Path) -> None:
    run, faults = RunDir(tmp_path), Faults()
    create_tables(tmp_path, managed=False)
    writer = RunWriter(tmp_path, faults)
    writer.state.start = 0
    writer.take(full_parcel(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # In the middle of a row, and in the middle of the other table's.
        resource.setrlimit(resource.RLIMIT_FSIZE, (run.latency.stat().st_size + 1234, hard))
        writer.take(full_parcel(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert faults.count > 0
    assert "OSError" in faults.first
    writer.take(full_parcel(3))
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
    writer.take(full_parcel(1))
    monkeypatch.setattr("perflab.store.tables.MAX_UNWRITTEN", 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run.latency.stat().st_size + 1234, hard))
        for number in range(2, 5):
            writer.take(full_parcel(number))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.take(full_parcel(5))
    writer.take(full_parcel(6))
    reading = read_table(run.latency, LATENCY)
    assert not reading.torn
    # What waited was more than is kept, so nothing came on top of it.
    assert reading.frame.groupby("second")["count"].sum().to_dict() == {1: 100, 2: 100, 6: 100}
    assert faults.count >= 3
    assert writer.state.sources["local"].totals.requests_recorded == 600


HEALTH = HealthRow(5, 2, *[0] * 11)


def request(side: str, measure: str = "client", *, outcome: str = "ok", count: int = 1) -> LatencyRow:
    return LatencyRow(5, "GET", "/a", outcome, measure, [1.5], "200", f"User{side}", [count])


def parcel(number: int, latency: list[LatencyRow], *failures: FailureRow, **totals: int) -> Parcel:
    return Parcel("local", 1, number, Batch(latency, failures, [HEALTH], Totals.model_validate(totals)))


def test_each_side_gets_its_rows_without_the_mark() -> None:
    failure = FailureRow(5, "GET", "/a", "http_500", "500", "no", "User@1", 2)
    rows = [request("@0"), request("@0", "wire"), request("@1", outcome="http_500", count=2)]
    first, second = SplitBySide(2).split(parcel(1, rows, failure, requests_finished=3))
    assert first.batch.latency == [request(""), request("", "wire")]
    assert second.batch.latency == [request("", outcome="http_500", count=2)]
    assert (first.batch.failures, second.batch.failures) == ([], [failure._replace(user_class="User")])
    assert first.batch.generator == second.batch.generator == [HEALTH]
    assert (first.batch.totals.requests_finished, second.batch.totals.requests_finished) == (1, 2)


def test_what_was_made_and_not_recorded_counts_against_both() -> None:
    by_side = SplitBySide(2)
    by_side.split(parcel(1, [request("@0", count=3), request("@1", count=4)], requests_finished=7, locust_finished=7))
    # Of 20 requests 2 stand on no side, and Locust counts one more than its events told of.
    later = [request("@0", count=5), request("@1", count=6), request("", count=2)]
    first, second = by_side.split(parcel(2, later, requests_finished=20, locust_finished=21))
    assert (first.batch.totals.requests_finished, second.batch.totals.requests_finished) == (8 + 2, 10 + 2)
    assert (first.batch.totals.locust_finished, second.batch.totals.locust_finished) == (11, 13)


def test_unanswered_and_unstamped_requests_are_those_of_the_side() -> None:
    rows = [request("@1", outcome="unanswered", count=2), request("@0"), request("@0", "fallback")]
    first, second = SplitBySide(2).split(parcel(1, rows, requests_finished=1, unanswered=2, without_wire_time=1))
    assert (first.batch.totals.unanswered, second.batch.totals.unanswered) == (0, 2)
    assert (first.batch.totals.without_wire_time, second.batch.totals.without_wire_time) == (1, 0)
    assert (first.batch.totals.requests_finished, second.batch.totals.requests_finished) == (1, 0)


def test_a_class_may_have_the_mark_in_its_name() -> None:
    rows = [request("@x@0"), request("@7@1"), request("@x"), request("@7")]
    first, second = SplitBySide(2).split(parcel(1, rows, requests_finished=4))
    assert (first.batch.latency, second.batch.latency) == ([request("@x")], [request("@7")])
