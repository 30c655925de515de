from __future__ import annotations

from pathlib import Path

import pytest

from perflab.drive.tail import RunTail
from perflab.store.layout import RunDir
from perflab.store.tables import GENERATOR_COLUMNS, LATENCY_COLUMNS, TableWriter, create_table, quantile


@pytest.mark.parametrize(("q", "expected"), [(0.5, 2.0), (0.95, 3.0), (0.34, 2.0), (1 / 3, 1.0), (1.0, 3.0)])
def test_a_quantile_is_a_value_that_was_seen(q: float, expected: float) -> None:
    assert quantile({3.0: 1, 1.0: 1, 2.0: 1}, q) == expected
    assert quantile({}, q) is None


def test_rows_are_taken_in_once_and_half_lines_wait(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    create_table(run.latency, LATENCY_COLUMNS)
    create_table(run.generator, GENERATOR_COLUMNS)
    tail = RunTail(run)
    tail.read()
    assert (tail.requests, tail.users, tail.recent()) == (0, 0, (0.0, None))
    writer = TableWriter(run.latency)
    writer.append([(0, "local", "GET", "/a", "ok", "client", 5.0, 3), (0, "local", "GET", "/a", "ok", "wire", 4.0, 3)])
    with run.latency.open("a") as file:
        file.write("1,local,GET,/a,http_503,cli")
    tail.read()
    assert (tail.requests, tail.failures) == (3, 0)
    with run.latency.open("a") as file:
        file.write("ent,2.0,2\n")
    TableWriter(run.generator).append(
        [(*row, 0, 5, 0, 80, *[0] * 7) for row in ((1, "a", 10), (1, "b", 11), (0, "a", 5))]
    )
    tail.read()
    tail.read()
    assert (tail.requests, tail.failures, tail.users) == (5, 2, 21)
    assert [(point.requests, point.failures, point.p95_ms) for point in tail.points()] == [(3, 0, 4.0), (2, 2, None)]
    assert tail.seen == [{(0, "ok"): (5.0, 3), (1, "http_503"): (2.0, 2)}]


def test_a_request_without_a_latency_is_counted_and_no_more(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    create_table(run.latency, LATENCY_COLUMNS)
    create_table(run.generator, GENERATOR_COLUMNS)
    rows = [("client", 5.0, 3), ("wire", 4.0, 3), ("client", "", 7)]
    TableWriter(run.latency).append([(0, "local", "GET", "/a", "ok", *row) for row in rows])
    tail = RunTail(run)
    tail.read()
    assert [(point.requests, point.failures, point.p95_ms) for point in tail.points()] == [(10, 0, 4.0)]
