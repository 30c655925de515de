"""The metrics by their names, and how their values are written."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perflab.vocabulary.metric import ERROR_RATE, PERCENTILES, SUCCESS_RATE, THROUGHPUT, Percentile, find_metric
from perflab.vocabulary.verdict import Change, Finding, Verdict


@pytest.mark.parametrize("metric", [SUCCESS_RATE, ERROR_RATE, THROUGHPUT, *PERCENTILES])
def test_a_metric_is_found_by_its_name(metric: Percentile) -> None:
    assert find_metric(metric.name) is metric


@pytest.mark.parametrize(("name", "q"), [("p50_ms", 0.5), ("p99.9_ms", 0.999), ("p7_ms", 0.07), ("p0_ms", 0.0)])
def test_any_percentile_is_a_metric(name: str, q: float) -> None:
    found = find_metric(name)
    assert isinstance(found, Percentile)
    assert (found.name, found.q, found.unit, found.bound) == (name, q, "ms", "at_most")


@pytest.mark.parametrize("name", ["p100_ms", "p_ms", "p95", "p95_s", "latency", "", "p-5_ms", "p95_ms\n"])
def test_nothing_else_is_one(name: str) -> None:
    assert find_metric(name) is None


@given(st.floats(0, 1))
def test_a_rate_never_looks_met_that_is_missed(rate: float) -> None:
    shown = float(SUCCESS_RATE.figure(rate)) / 100
    assert abs(shown - rate) <= 0.5e-5 + 1e-12


@given(st.floats(0.001, 1e9))
def test_a_latency_is_written_to_four_digits(ms: float) -> None:
    shown = PERCENTILES[0].figure(ms).replace(" ", "")
    assert math.isclose(float(shown), ms, rel_tol=5.1e-4, abs_tol=0.51 if ms >= 1000 else 1e-6)


def test_what_is_not_known_has_no_figure() -> None:
    assert THROUGHPUT.amount(math.nan) == "- requests/s"
    assert PERCENTILES[0].amount(math.inf) == "\N{INFINITY} ms"
    assert ERROR_RATE.figure(math.nan) == "-"
    assert THROUGHPUT.interval(None, None) == "no bounds"


def test_verdicts_are_their_words_and_rank_by_gravity() -> None:
    assert json.dumps(list(Verdict)) == '["PASS", "INCONCLUSIVE", "FAIL", "INVALID"]'
    assert [Verdict.worst([first, second]) for first, second in zip(Verdict, list(Verdict)[1:], strict=False)] == list(
        Verdict
    )[1:]
    assert {change: change.verdict for change in Change} == {
        "REGRESSION": "FAIL",
        "NO_REGRESSION": "PASS",
        "INCONCLUSIVE": "INCONCLUSIVE",
        "INVALID": "INVALID",
    }


def test_what_is_found_of_a_figure_has_the_mark_of_a_verdict() -> None:
    marks = {finding: finding.verdict for finding in Finding if finding.marked}
    assert marks == {
        **dict.fromkeys(["slower", "lower", "more"], Verdict.FAIL),
        **dict.fromkeys(["faster", "higher", "fewer"], Verdict.PASS),
        "open": Verdict.INCONCLUSIVE,
    }
    plain = {finding for finding in Finding if finding.verdict is Verdict.PASS and not finding.marked}
    assert plain == {"slower, within the margin", "lower, within the margin", "within the margin", "no more found"}
    assert Finding.NOT_ASSESSABLE.verdict is Verdict.INCONCLUSIVE
    assert not any(finding.worse and finding.better for finding in Finding)
