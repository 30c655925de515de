from __future__ import annotations

from perflab.record.counts import FURTHER_MESSAGES, MOST_MESSAGES, Counts


def test_nothing_is_counted_twice_or_lost() -> None:
    counts = Counts("local")
    for number in range(1000):
        counts.add(number // 500, "GET", "/a", "ok", 5.0 + number % 3)
        if number % 250 == 0:
            taken = counts.take_latency()
            assert sum(int(str(row[-1])) for row in taken) == (1 if number == 0 else 250)
    assert sum(int(str(row[-1])) for row in counts.take_latency()) == 249
    assert counts.take_latency() == []
    assert counts.total == 1000


def test_a_target_that_fails_with_a_new_text_each_time_is_bounded() -> None:
    counts = Counts("local")
    for number in range(5000):
        counts.add_failure(0, "GET", "/a", "http_500", "500", f"trace {number}")
    rows = counts.take_failures()
    assert len(rows) == MOST_MESSAGES + 1
    assert sum(int(str(row[-1])) for row in rows) == 5000
    assert FURTHER_MESSAGES in {row[-2] for row in rows}


def test_names_are_written_on_one_line() -> None:
    counts = Counts("local")
    counts.add(0, "GET", "a\nb", "ok", 1.0)
    [row] = counts.take_latency()
    assert row[3] == "a\\nb"
