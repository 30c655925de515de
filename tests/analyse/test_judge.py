from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from perflab.analyse.bounds import Timed
from perflab.analyse.judge import judge
from perflab.analyse.judgement import TOO_CLOSE, Judgement, reason
from perflab.analyse.observed import Observed
from perflab.plan.objectives import Group, Objective
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.verdict import Verdict

SHOP = Group(name="shop", endpoints=("/cart", "/buy/*"))


def objective(metric: str, limit: float) -> Objective:
    bound: Any = "at_least" if metric in {"success_rate", "throughput_rps"} else "at_most"
    return Objective(group="shop", metric=metric, bound=bound, limit=limit)


def evenly(count: int, seconds: int) -> Any:
    """Spread requests over the seconds as evenly as whole ones can be."""
    return np.diff(np.round(np.linspace(0, count, seconds + 1)))


def judged(metric: str, limit: float, ok: int, failed: int = 0, slow: int = 0, seconds: float = 10.0) -> Judgement:
    """Judge `ok` requests of 100 ms, `slow` of them of 400 ms instead, and `failed` ones, all of them spread evenly."""
    whole = round(seconds)
    fast = evenly(ok - slow, whole)
    late = evenly(slow, whole)
    latency = Timed(
        np.tile(np.arange(whole), 2),
        np.repeat([100.0, 400.0], whole),
        np.concatenate((fast, late)).astype("int64"),
        (whole,),
    )
    observed = Observed(fast + late, evenly(failed, whole), latency)
    return judge(objective(metric, limit), SHOP, observed)


def further_seconds(judgement: Judgement) -> float:
    found = re.fullmatch(r"about (\d+) (s|min) more would probably settle it", judgement.advice)
    assert found, judgement.advice
    return int(found[1]) * (60 if found[2] == "min" else 1)


@pytest.mark.parametrize(
    ("metric", "limit", "ok", "failed", "slow", "verdict"),
    [
        ("success_rate", 0.99, 299, 0, 0, "PASS"),
        ("success_rate", 0.99, 298, 0, 0, Verdict.INCONCLUSIVE),
        ("success_rate", 0.99, 299, 1, 0, Verdict.INCONCLUSIVE),
        ("success_rate", 0.99, 60, 40, 0, "FAIL"),
        ("error_rate", 0.01, 299, 0, 0, "PASS"),
        ("error_rate", 0.01, 298, 0, 0, Verdict.INCONCLUSIVE),
        ("error_rate", 0.01, 60, 40, 0, "FAIL"),
        # 59 if they were known to be independent; ten seconds that don't show otherwise leave Student's t.
        ("p95_ms", 200, 64, 0, 0, "PASS"),
        ("p95_ms", 200, 63, 0, 0, Verdict.INCONCLUSIVE),
        ("p95_ms", 200, 64, 0, 1, Verdict.INCONCLUSIVE),
        ("p95_ms", 200, 1000, 0, 100, "FAIL"),
        # One of one is not enough to say that more than 5 % are slow, two of two are.
        ("p95_ms", 200, 1, 0, 1, Verdict.INCONCLUSIVE),
        ("p95_ms", 200, 2, 0, 2, "FAIL"),
        # A limit that everything meets is met by little.
        ("success_rate", 0, 0, 1, 0, "PASS"),
        ("error_rate", 1, 0, 1, 0, "PASS"),
        ("throughput_rps", 0, 1, 0, 0, "PASS"),
        # Failed requests are judged by the rates alone.
        ("p95_ms", 200, 64, 5000, 0, "PASS"),
        ("p95_ms", 100, 64, 0, 0, "PASS"),
        ("p99.9_ms", 200, 3357, 0, 0, "PASS"),
        ("p99.9_ms", 200, 3356, 0, 0, Verdict.INCONCLUSIVE),
        ("throughput_rps", 8, 100, 0, 0, "PASS"),
        ("throughput_rps", 10, 100, 0, 0, Verdict.INCONCLUSIVE),
        ("throughput_rps", 13, 100, 0, 0, "FAIL"),
        # A refusal is no throughput.
        ("throughput_rps", 3, 50, 50, 0, "PASS"),
        ("throughput_rps", 8, 50, 50, 0, "FAIL"),
    ],
)
def test_verdicts_by_interval(metric: str, limit: float, ok: int, failed: int, slow: int, verdict: str) -> None:
    found = judged(metric, limit, ok, failed, slow)
    assert found.verdict == verdict
    assert bool(found.advice) == (verdict == Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("metric", "limit", "ok", "failed", "slow"),
    [
        ("success_rate", 0.99, 100, 0, 0),
        ("success_rate", 0.99, 995, 5, 0),
        ("success_rate", 0.99, 980, 13, 0),
        ("error_rate", 0.05, 97, 3, 0),
        ("p95_ms", 200, 30, 0, 0),
        ("p95_ms", 200, 200, 0, 8),
        ("p95_ms", 200, 200, 0, 13),
        ("p99_ms", 200, 100, 0, 0),
        ("throughput_rps", 9.5, 100, 0, 0),
    ],
)
def test_the_advised_time_settles_it_and_half_of_it_does_not(
    metric: str, limit: float, ok: int, failed: int, slow: int
) -> None:
    seconds = 40.0
    limit = limit / 4 if metric == "throughput_rps" else limit

    def after(further: float) -> Judgement:
        factor = (seconds + further) / seconds
        return judged(
            metric, limit, round(ok * factor), round(failed * factor), round(slow * factor), seconds + further
        )

    assert after(0).verdict == Verdict.INCONCLUSIVE
    further = further_seconds(after(0))
    assert after(further * 1.1).verdict != Verdict.INCONCLUSIVE
    assert after(further / 2).verdict == Verdict.INCONCLUSIVE


def test_the_advised_time_is_known_where_it_can_be_worked_out_by_hand() -> None:
    # 299 requests are needed, 100 came in 10 s: 19.9 s more.
    assert judged("success_rate", 0.99, 100).advice == "about 20 s more would probably settle it"
    # 59 are needed, 58 came in 10 s.
    assert judged("p95_ms", 200, 58).advice == "about 5 s more would probably settle it"
    # 3 223 are needed by Student's t with 11 degrees of freedom, 100 came in 100 s.
    assert judged("p99.9_ms", 200, 100, seconds=100).advice == "about 53 min more would probably settle it"


@pytest.mark.parametrize(
    ("metric", "limit", "ok", "failed", "slow"),
    [("success_rate", 0.99, 99, 1, 0), ("p95_ms", 200, 100, 0, 5), ("p99.99_ms", 200, 10, 0, 0)],
)
def test_no_silly_numbers_close_to_the_limit(metric: str, limit: float, ok: int, failed: int, slow: int) -> None:
    found = judged(metric, limit, ok, failed, slow)
    assert found.verdict == Verdict.INCONCLUSIVE
    assert found.advice == TOO_CLOSE


def test_a_limit_that_no_measurement_can_prove_says_so() -> None:
    for metric, limit in (("success_rate", 1.0), ("error_rate", 0.0)):
        found = judged(metric, limit, 100_000)
        assert found.verdict == Verdict.INCONCLUSIVE
        assert "leave a little room in the limit" in found.advice
        assert judged(metric, limit, 100_000, failed=1).verdict == "FAIL"


def test_a_group_without_a_request_names_its_patterns() -> None:
    for metric, limit in (("success_rate", 0.99), ("p95_ms", 200), ("throughput_rps", 5)):
        found = judged(metric, limit, 0)
        assert found.verdict == Verdict.INCONCLUSIVE
        assert "/cart or /buy/*" in found.advice
        assert math.isnan(found.measured)


def test_a_group_without_a_success_has_no_latency_to_judge() -> None:
    found = judged("p95_ms", 200, 0, failed=50)
    assert (found.verdict, found.samples) == (Verdict.INCONCLUSIVE, 0)
    assert "no request succeeded" in found.advice
    assert judged("success_rate", 0.99, 0, failed=50).verdict == "FAIL"


def test_invalid_outranks_fail_outranks_inconclusive_outranks_pass() -> None:
    passed, undecided, failed, invalid = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.INVALID
    assert Verdict.worst([passed, invalid, failed, undecided]) == "INVALID"
    assert Verdict.worst([passed, undecided, failed]) == "FAIL"
    assert Verdict.worst([undecided, passed]) == Verdict.INCONCLUSIVE
    assert Verdict.worst([passed]) == Verdict.worst([]) == "PASS"


def test_reasons_name_group_level_measured_and_allowed_value() -> None:
    def said(metric: str, limit: float, *counts: int) -> str:
        return reason(objective(metric, limit), Level.of_users(1000), judged(metric, limit, *counts))

    assert (
        said("p95_ms", 300, 3512, 0, 400)
        == "shop p95 at 1000 users: 400 ms (400 to 400 ms) is above the allowed 300 ms, 3 512 requests, 3 512 effective"
    )
    assert (
        said("success_rate", 0.99, 960, 40)
        == "shop success rate at 1000 users: 96 % (94.701 to 97.136 %) is below the allowed 99 %, "
        "1 000 requests, 1 000 effective"
    )
    assert said("throughput_rps", 13, 100) == (
        "shop throughput at 1000 users: 10 requests/s (8.167 to 11.83 requests/s) is below the allowed 13 requests/s, "
        "100 requests, 100 effective"
    )
    assert said("p95_ms", 300, 58) == (
        "shop p95 at 1000 users: 100 ms (at least 100 ms) can't be told from the allowed 300 ms with 58 requests, "
        "58 effective; about 5 s more would probably settle it"
    )
    assert said("p95_ms", 300, 0).startswith("shop p95 at 1000 users: no request of the steady window matches /cart")


def test_a_throughput_without_a_success_has_a_reason() -> None:
    found = judged("throughput_rps", 5, 0, failed=50)
    assert (found.verdict, found.samples) == ("FAIL", 0)
    said = reason(objective("throughput_rps", 5), Level.of_users(1000), found)
    assert "below the allowed 5 requests/s" in said
    assert "no request succeeded" in said


@pytest.mark.parametrize("metric", ["success_rate", "error_rate", "throughput_rps", "p50_ms", "p99.9_ms"])
def test_every_metric_that_may_be_limited_has_a_judge(metric: str) -> None:
    bound = metric_of(metric).bound
    limit = Objective(group="shop", metric=metric, bound=bound, limit=0.5)
    latency = Timed(np.arange(10), np.full(10, 100.0), np.ones(10, "int64"), (10,))
    judgement = judge(limit, SHOP, Observed(np.ones(10), np.zeros(10), latency, "wire"))
    assert judgement.samples == 10
    assert judgement.clock == ("wire" if metric.endswith("_ms") else "")
