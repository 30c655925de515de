from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

import perflab
from benchmarks.queues import Independent, Queue, SingleServer
from perflab.analyse.bounds import Timed, share_of, throughput_of
from perflab.analyse.intervals import percentile_ranks, rate_bounds
from perflab.errors import UsageError

SECONDS = 60


def samples(queue: Queue, number: int, seconds: int = SECONDS) -> Iterator[pd.DataFrame]:
    for second, latency in queue.runs(seconds, number, np.random.default_rng(1)):
        yield pd.DataFrame({"second": second, "latency_ms": latency, "count": 1})


@pytest.mark.parametrize("utilisation", [0.3, 0.5, 0.7])
def test_where_requests_queue_each_bound_is_missed_about_as_seldom_as_it_says(utilisation: float) -> None:
    """Bounds for independent requests are missed in 17 to 43 % here; `benchmarks.bounds_coverage` has the table."""
    queue, number = SingleServer(utilisation), 200
    truth = queue.percentile(0.95)
    found = [perflab.percentile_bounds(one, 0.95) for one in samples(queue, number)]
    # 9 % is promised; a procedure that keeps it exceeds this in one of a thousand seeds.
    most = 31
    assert sum(bounds.low > truth for bounds in found) <= most
    assert sum(bounds.high < truth for bounds in found) <= most
    assert np.median([bounds.effective_samples for bounds in found]) < 0.5 * utilisation * 100 * SECONDS


def test_independent_requests_keep_nearly_all_of_their_size() -> None:
    queue, number = Independent(0.5), 200
    truth = queue.percentile(0.95)
    found = [perflab.percentile_bounds(one, 0.95) for one in samples(queue, number)]
    assert sum(bounds.low > truth for bounds in found) <= 22
    assert sum(bounds.high < truth for bounds in found) <= 22
    assert np.median([bounds.effective_samples for bounds in found]) > 0.7 * 0.5 * 100 * SECONDS


def test_bounds_are_never_narrower_than_those_of_independent_requests() -> None:
    for queue in (Independent(0.1), SingleServer(0.5)):
        for one in samples(queue, 20, 15):
            for q in (0.05, 0.5, 0.95, 0.99):
                values = np.sort(one["latency_ms"])
                low, high = percentile_ranks(len(values), q)
                bounds = perflab.percentile_bounds(one, q)
                assert bounds.low <= (0 if low is None else values[low - 1])
                assert bounds.high >= (math.inf if high is None else values[high - 1])
                assert bounds.effective_samples <= len(values)


def test_what_happens_in_one_second_is_one_event() -> None:
    """Fifty failures spread over the minute tell the rate well, fifty in one second hardly at all."""
    spread = np.full(SECONDS, 50 / SECONDS)
    burst = np.zeros(SECONDS)
    burst[30] = 50
    seldom, at_once = (
        perflab.rate_bounds(pd.DataFrame({"second": range(SECONDS), "ok": 100 - failed, "failed": failed}))
        for failed in (spread, burst)
    )
    assert at_once.low < seldom.low < 1 - 50 / 6000 < seldom.high < at_once.high < 1
    assert seldom.effective_samples == pytest.approx(6000)
    assert at_once.effective_samples < 6000 / 25


@pytest.mark.parametrize(("ok", "failed"), [(100, 0), (0, 100)])
def test_without_a_failure_or_a_success_there_is_nothing_to_tell_dependence_from(ok: int, failed: int) -> None:
    bounds = perflab.rate_bounds(pd.DataFrame({"second": range(SECONDS), "ok": ok, "failed": failed}))
    exact = rate_bounds(ok * SECONDS, 100 * SECONDS)
    assert (bounds.low, bounds.high) == (exact.low, exact.high)
    assert math.isnan(bounds.effective_samples)


def test_a_failure_that_was_seen_keeps_the_rate_from_being_one() -> None:
    failed = np.zeros(SECONDS)
    failed[10] = 1
    bounds = perflab.rate_bounds(pd.DataFrame({"second": range(SECONDS), "ok": 1000 - failed, "failed": failed}))
    assert bounds.high < 1


def test_differences_between_runs_widen_the_bounds() -> None:
    rng = np.random.default_rng(1)

    def repeats(scales: tuple[float, ...]) -> pd.DataFrame:
        return pd.concat(
            pd.DataFrame(
                {
                    "run": f"r{number}",
                    "second": np.sort(rng.integers(0, SECONDS, 3000)),
                    "latency_ms": scale * rng.lognormal(2, 0.5, 3000),
                    "count": 1,
                }
            )
            for number, scale in enumerate(scales)
        )

    alike = perflab.percentile_bounds(repeats((1.0, 1.0, 1.0, 1.0, 1.0)), 0.95)
    different = perflab.percentile_bounds(repeats((0.9, 0.95, 1.0, 1.05, 1.1)), 0.95)
    pooled = perflab.percentile_bounds(repeats((0.9, 0.95, 1.0, 1.05, 1.1)).drop(columns="run"), 0.95)
    assert different.high / different.low - 1 > 2 * (alike.high / alike.low - 1)
    assert different.high / different.low > pooled.high / pooled.low
    assert different.effective_samples < alike.effective_samples / 3


def test_bounds_of_throughput_allow_for_what_comes_in_clumps() -> None:
    rng = np.random.default_rng(1)
    steady = throughput_of(rng.poisson(50, SECONDS).astype("float64"), [SECONDS])
    clumps = throughput_of(10 * np.repeat(rng.poisson(5, SECONDS // 5), 5).astype("float64"), [SECONDS])
    assert steady.bounds.low is not None
    assert clumps.bounds.low is not None
    assert steady.value - steady.bounds.low < 2.2
    assert clumps.value - clumps.bounds.low > 4
    assert (steady.effective or 0) > 4 * (clumps.effective or 0)


def test_too_few_samples_have_no_upper_bound() -> None:
    few = pd.DataFrame({"second": range(20), "latency_ms": 5.0, "count": 1})
    assert perflab.percentile_bounds(few, 0.95).high == math.inf
    assert perflab.percentile_bounds(few.iloc[:0], 0.95)[:2] == (0.0, math.inf)
    assert perflab.percentile_bounds(few.iloc[:1], 0.5)[:2] == (0.0, math.inf)
    assert perflab.rate_bounds(pd.DataFrame({"second": [], "ok": [], "failed": []}))[:2] == (0.0, 1.0)


def test_one_second_cannot_tell_how_its_requests_depend() -> None:
    timed = Timed(np.zeros(1000, "int64"), np.arange(1000.0), np.ones(1000, "int64"), (1,))
    assert timed.percentile(0.5).bounds.low is timed.percentile(0.5).bounds.high is None
    share = share_of(np.array([5.0]), np.array([1000.0]), [1])
    assert (share.bounds.low or 0) < 0.001
    assert (share.bounds.high or 0) > 0.99


def test_equal_latencies_bound_themselves() -> None:
    same = pd.DataFrame({"second": range(SECONDS), "latency_ms": 7.0, "count": 100})
    assert perflab.percentile_bounds(same, 0.95) == (7.0, 7.0, 6000.0)


def test_a_higher_confidence_reaches_further() -> None:
    [one] = samples(SingleServer(0.5), 1)
    usual, sure = (perflab.percentile_bounds(one, 0.5, confidence) for confidence in (0.95, 0.99))
    assert sure.low < usual.low < usual.high < sure.high


@pytest.mark.parametrize(
    ("change", "q", "confidence", "named"),
    [
        ({}, 95.0, 0.95, "95.0"),
        ({}, 0.0, 0.95, "0.0"),
        ({}, 0.95, 0.05, "0.05"),
        ({"second": [0.5, 1.0]}, 0.95, 0.95, "second"),
        ({"count": [1, -1]}, 0.95, 0.95, "count"),
        ({"latency_ms": [1.0, math.nan]}, 0.95, 0.95, "latency_ms"),
    ],
)
def test_what_are_no_samples_is_refused_by_name(
    change: dict[str, list[float]], q: float, confidence: float, named: str
) -> None:
    frame = pd.DataFrame({"second": [0, 1], "latency_ms": [1.0, 2.0], "count": [1, 1]} | change)
    with pytest.raises(UsageError, match=named):
        perflab.percentile_bounds(frame, q, confidence)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UsageError, match="latency_ms"):
        perflab.percentile_bounds(pd.DataFrame({"second": [1], "count": [1]}), 0.5)
    with pytest.raises(UsageError, match="failed"):
        perflab.rate_bounds(pd.DataFrame({"second": [1], "ok": [1]}))
