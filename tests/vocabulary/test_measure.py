from __future__ import annotations

import pytest

from perflab.vocabulary.measure import CLIENT, FALLBACK, WIRE, LatencyCounts, Measure, Role, role_of


def counted(*samples: tuple[str, float, int]) -> LatencyCounts:
    counts = LatencyCounts()
    for measure, latency_ms, count in samples:
        counts.add(role_of(measure), latency_ms, count)
    return counts


def test_one_measure_counts_requests_and_one_is_their_latency_on_the_wire() -> None:
    assert [measure for measure in Measure if measure.role is Role.COUNTS] == [CLIENT]
    assert [measure for measure in Measure if measure.role is Role.STAMPED] == [WIRE]


@pytest.mark.parametrize(("fallbacks", "by_wire"), [(1, True), (2, False)])
def test_the_wire_clock_counts_where_it_knows_nearly_all_requests(fallbacks: int, by_wire: bool) -> None:
    counts = counted((CLIENT, 9.0, 100), (WIRE, 5.0, 100 - fallbacks), (FALLBACK, 9.0, fallbacks))
    assert counts.judged() == ({5.0: 100 - fallbacks, 9.0: fallbacks} if by_wire else {9.0: 100})


def test_failures_go_by_the_wire_clock_only_where_it_knows_all_of_them() -> None:
    assert counted((CLIENT, 9.0, 1000), (WIRE, 5.0, 1000)).judged() == {5.0: 1000}
    assert counted((CLIENT, 9.0, 1000), (WIRE, 5.0, 999)).judged() == {9.0: 1000}


def test_files_of_earlier_and_of_later_versions_are_understood() -> None:
    assert role_of("stand_in") is Role.FALLBACK
    # What only a later version knows is neither a request nor its latency.
    counts = counted((CLIENT, 9.0, 10), (WIRE, 5.0, 10), ("of a later version", 3.0, 10))
    assert (counts.answered, counts.stamped, counts.judged()) == (10, 10, {5.0: 10})
