from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perflab.errors import UsageError
from perflab.plan.objectives import any_matches, find_objectives, load_objectives
from perflab.vocabulary.text import request_name

SUITE = Path(__file__).parents[2] / "load_tests" / "objectives.toml"


def write(folder: Path, text: str) -> Path:
    path = folder / "objectives.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_suite_has_the_nine_target_metrics_and_the_target_of_creations() -> None:
    limits = {(limit.group, limit.metric): limit.limit for limit in load_objectives(SUITE, {}).limits}
    assert limits == {
        ("auth", "success_rate"): 0.99,
        ("auth", "error_rate"): 0.01,
        ("auth", "p95_ms"): 200,
        ("generation", "success_rate"): 0.95,
        ("generation", "error_rate"): 0.05,
        ("generation", "p95_ms"): 500,
        ("generation", "throughput_rps"): 10,
        ("payments", "success_rate"): 0.95,
        ("payments", "error_rate"): 0.05,
        ("payments", "p95_ms"): 300,
    }


def test_each_limit_is_overridden_by_the_variable_of_the_specification() -> None:
    environment = {
        **{f"{group}_SUCCESS_RATE_THRESHOLD": "0.5" for group in ("AUTH", "GENERATION", "PAYMENTS")},
        **{f"{group}_P95_LATENCY_MS": "7" for group in ("AUTH", "GENERATION", "PAYMENTS")},
    }
    limits = load_objectives(SUITE, environment).limits
    assert {limit.limit for limit in limits if limit.metric.endswith("_rate")} == {0.5}
    assert {limit.limit for limit in limits if limit.metric == "p95_ms"} == {7}


def test_creations_are_an_objective_of_their_own() -> None:
    [creations] = [limit for limit in load_objectives(SUITE, {"GENERATION_TARGET_RPS": "12"}).limits if limit.endpoints]
    assert (creations.group, creations.metric, creations.limit) == ("generation", "throughput_rps", 12)
    assert creations.endpoints == ("/api/v1/generation/create",)
    assert creations.from_users == 100


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("throughput_rps = { at_least = 1, endpoints = 'x' }", "endpoints must be a list"),
        ("throughput_rps = { at_least = 1, endpoints = [1] }", "endpoints must be a list"),
        ("throughput_rps = { at_least = 1, from_users = -1 }", "from_users must be a whole number of users, not -1"),
        ("throughput_rps = { at_least = 1, from_users = true }", "from_users must be"),
        ("p95_ms = { at_most = 1, endpoints = ['/x'] }", "p95_ms must look like"),
    ],
)
def test_what_a_throughput_counts_is_checked(tmp_path: Path, spec: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        load_objectives(write(tmp_path, f'[orders]\nendpoints = ["/*"]\n{spec}\n'), {})


def test_the_file_beside_the_locustfile_is_found(tmp_path: Path) -> None:
    assert find_objectives(tmp_path / "locustfile.py") is None
    assert find_objectives(SUITE.with_name("locustfile.py")) == SUITE


def test_endpoints_belong_to_the_first_group_that_matches(tmp_path: Path) -> None:
    text = '[writes]\nendpoints = ["POST /orders*"]\n[orders]\nendpoints = ["/orders*", "/x[[]1]"]\n'
    objectives = load_objectives(write(tmp_path, text), {})
    assert objectives.group_of("POST", "/orders/{id}") == "writes"
    assert objectives.group_of("GET", "/orders/{id}") == "orders"
    assert objectives.group_of("GET", "/x[1]") == "orders"
    assert objectives.group_of("GET", "/order") is None


@given(st.text(min_size=1, max_size=50), st.sampled_from(["GET", "", "Odd method"]))
@example("/blog?id=[id]", "GET")
@example("Login page", "GET")
@example("two\nlines", "GET")
@example("/a?token=hunter2", "GET")
@example("x" * 3000, "GET")
def test_a_pattern_that_equals_a_name_matches_it_whatever_is_in_it(name: str, method: str) -> None:
    recorded = request_name(method), request_name(name)
    assert any_matches([name], *recorded)
    assert any_matches([f"{method} {name}"], *recorded)


def test_a_pattern_with_a_space_is_one_on_names_too() -> None:
    assert any_matches(["Login p*"], "GET", "Login page")
    assert any_matches(["P* /a"], "POST", "/a")
    assert not any_matches(["P*"], "POST", "/a")


@pytest.mark.parametrize(
    "text",
    [
        "[a]\n",
        "[a]\nendpoints = []\n",
        "[a]\nendpoints = [1]\n",
        "a = 1\n",
        '[a]\nendpoints = ["/"]\np95 = { at_most = 1 }\n',
        '[a]\nendpoints = ["/"]\np95_ms = { at_least = 1 }\n',
        '[a]\nendpoints = ["/"]\np95_ms = 200\n',
        '[a]\nendpoints = ["/"]\np95_ms = { at_most = "fast" }\n',
        '[a]\nendpoints = ["/"]\np95_ms = { }\n',
        '[a]\nendpoints = ["/"]\nsuccess_rate = { at_least = 99 }\n',
        '[a]\nendpoints = ["/"]\nerror_rate = { complements = "success_rate" }\n',
        '[a]\nendpoints = ["/"]\np95_ms = { at_most = -1 }\n',
        '[a]\nendpoints = ["/"]\np95_ms = { at_most = nan }\n',
        '[a]\nendpoints = ["/"]\np95_ms = { at_most = true }\n',
        '[a]\nendpoints = ["/"]\np95_ms = { at_most = 1, variable = 5 }\n',
        '[a]\nendpoints = ["/"]\nsuccess_rate = { at_least = 1 }\nerror_rate = { complements = ["x"] }\n',
        "[a\n",
        "\x00",
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"objectives\.toml") as caught:
        load_objectives(write(tmp_path, text), {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["99", "-0.1", "high", "nan", "inf"])
def test_a_bad_variable_is_named_with_what_is_allowed(value: str) -> None:
    with pytest.raises(UsageError, match=f"AUTH_SUCCESS_RATE_THRESHOLD: '{value}' is not a fraction between 0 and 1"):
        load_objectives(SUITE, {"AUTH_SUCCESS_RATE_THRESHOLD": value})
