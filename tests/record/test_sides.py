"""A duet's rows split by side: what belongs to which side, and what is missing counts against both."""

from __future__ import annotations

from perflab.record.delivery import Batch, FailureRow, HealthRow, LatencyRow, Parcel
from perflab.record.writer import SplitBySide
from perflab.store.recorder_protocol import Totals

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
    rows = [request("@1", outcome="unanswered", count=2), request("@0"), request("@0", "stand_in")]
    first, second = SplitBySide(2).split(parcel(1, rows, requests_finished=1, unanswered=2, unstamped=1))
    assert (first.batch.totals.unanswered, second.batch.totals.unanswered) == (0, 2)
    assert (first.batch.totals.unstamped, second.batch.totals.unstamped) == (1, 0)
    assert (first.batch.totals.requests_finished, second.batch.totals.requests_finished) == (1, 0)


def test_a_class_may_have_the_mark_in_its_name() -> None:
    rows = [request("@x@0"), request("@7@1"), request("@x"), request("@7")]
    first, second = SplitBySide(2).split(parcel(1, rows, requests_finished=4))
    assert (first.batch.latency, second.batch.latency) == ([request("@x")], [request("@7")])
