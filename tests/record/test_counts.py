from __future__ import annotations

import pytest

from perflab.record.counts import MAX_MESSAGES, OTHER_MESSAGES, OTHER_NAMES, Counts, Key
from perflab.record.delivery import LatencyRow
from perflab.store.tables import bucket_middle, bucket_of
from perflab.vocabulary.measure import CONNECT


def of(second: int, name: str = "/a", outcome: str = "ok") -> Key:
    return (second, "GET", name, outcome, 200, "U")


def client(rows: list[LatencyRow]) -> int:
    return sum(sum(row.counts) for row in rows if row.measure == "client")


def wire(rows: list[LatencyRow]) -> int:
    return sum(sum(row.counts) for row in rows if row.measure == "wire")


def test_nothing_is_counted_twice_or_lost() -> None:
    counts = Counts()
    for number in range(1000):
        counts.note(of(number // 500), 5.0 + number % 3, (4.0 + number % 2, None))
        if number % 250 == 0:
            taken = counts.take_latency()
            assert client(taken) == wire(taken) == (1 if number == 0 else 250)
    assert client(counts.take_latency()) == 249
    assert counts.take_latency() == []
    assert counts.total == 1000


def test_a_target_that_fails_with_a_new_text_each_time_is_bounded() -> None:
    counts = Counts()
    for number in range(5000):
        counts.add_failure(0, "GET", "/a", "http_500", "500", f"trace {number}")
    rows = counts.take_failures()
    assert len(rows) == MAX_MESSAGES + 1
    assert sum(row.requests for row in rows) == 5000
    assert OTHER_MESSAGES in {row.message for row in rows}


def test_names_are_written_on_one_line() -> None:
    counts = Counts()
    counts.note(of(0, name="a\nb"), 1.0, (0.5, None))
    row, _ = counts.take_latency()
    assert row.name == "a\\nb"


def test_names_beyond_a_limit_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perflab.record.counts.MAX_NAMES", 10)
    counts = Counts()
    for number in range(50):
        counts.note(of(0, name=f"/{number}"), 1.0, (0.5, None))
        counts.add_failure(0, "GET", f"/{number}", "http_500", "500", "refused")
    rows, failures = counts.take_latency(), counts.take_failures()
    assert len({row.name for row in rows}) == len({row.name for row in failures}) == 10
    assert client(rows) == sum(row.requests for row in failures) == 50
    assert OTHER_NAMES in {row.name for row in rows}


def test_each_clock_has_its_row_and_a_missing_one_is_said() -> None:
    counts = Counts()
    counts.note(of(7), 9.0, (5.0, {CONNECT: 2.0}))
    counts.note(of(7), 9.0, None)
    counts.note(of(7, outcome="timeout"), 9.0, None)
    rows = {(row.outcome, row.measure): (row.latencies_ms, row.counts) for row in counts.take_latency()}
    for key, ms, count in (
        (("ok", "client"), 9.0, 2),
        (("ok", "wire"), 5.0, 1),
        (("ok", "connect"), 2.0, 1),
        (("ok", "fallback"), 9.0, 1),
        (("timeout", "client"), 9.0, 1),
    ):
        [middle], [counted] = rows.pop(key)
        assert counted == count
        assert middle == pytest.approx(ms, rel=0.005)
    assert not rows
    assert counts.without_wire_time == 1


def test_a_request_without_a_latency_is_counted_and_has_none() -> None:
    counts = Counts()
    counts.note(of(3), None, None)
    counts.note(of(3), None, None)
    assert counts.take_latency() == [(3, "GET", "/a", "ok", "client", [None], "200", "U", [2])]
    assert (counts.total, counts.without_latency, counts.without_wire_time) == (2, 2, 0)
    assert counts.take_latency() == []


def test_the_bucket_is_the_tables() -> None:
    counts = Counts()
    for tenths in range(1, 20_000):
        ms = tenths / 10
        counts.note(of(0), ms, (ms, None))
        rows = counts.take_latency()
        assert all(row[5] == [bucket_middle(bucket_of(ms))] for row in rows)
