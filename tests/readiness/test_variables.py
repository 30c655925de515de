"""Which variables are in force, from where, and which can't be used."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from perflab.errors import UsageError
from perflab.readiness.finding import Finding
from perflab.readiness.variables import Variables, check_locustfile, check_settings, find_mistakes, find_variables

OBJECTIVES = """
[all]
endpoints = ["*"]
p95_ms = { at_most = 200, variable = "ALL_P95_LATENCY_MS" }
success_rate = { at_least = 0.9, variable = "ALL_RATE" }
"""


def of(**values: str) -> Variables:
    return Variables(values, dict.fromkeys(values, "the environment"))


def settings(variables: Variables, mistakes: dict[str, str], folder: Path) -> list[Finding]:
    return check_settings(variables, mistakes, folder, folder / "locustfile.py", folder)


def test_where_each_value_comes_from(tmp_path: Path) -> None:
    (tmp_path / ".env.load-testing").write_text("LOAD_TEST_A=1\nLOAD_TEST_B=1\nLOAD_TEST_C=1\nLOAD_TEST_D=1\n")
    (tmp_path / ".env.load-testing.local").write_text("LOAD_TEST_B=2\nLOAD_TEST_C=2\nLOAD_TEST_D=\n")
    found = find_variables(tmp_path, {"LOAD_TEST_C": "3"})
    assert found.values == {"LOAD_TEST_A": "1", "LOAD_TEST_B": "2", "LOAD_TEST_C": "3"}
    assert [found.said(name) for name in found.values] == [
        "LOAD_TEST_A in .env.load-testing",
        "LOAD_TEST_B in .env.load-testing.local",
        "LOAD_TEST_C in the environment",
    ]


def test_an_env_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / ".env.load-testing").write_bytes(b"LOAD_TEST_LABEL=caf\xe9\n")
    with pytest.raises(UsageError, match="can't be read"):
        find_variables(tmp_path, {})


def test_no_mistake_hides_another(tmp_path: Path) -> None:
    (tmp_path / "objectives.toml").write_text(OBJECTIVES)
    values = {
        "LOAD_TEST_SPAWN_RATE": "0",
        "LOAD_TEST_DURATION_SECONDS": "long",
        "LOAD_TEST_TIMEOUT": "-1",
        "LOAD_TEST_PROCESSES": "2",
        "LOAD_TEST_USERS_MIN": "500",
        "LOAD_TEST_USERS_MAX": "100",
        "LOAD_TEST_OF_SOMEBODY_ELSE": "anything",
        "ALL_P95_LATENCY_MS": "fast",
        "ALL_RATE": "0.95",
    }
    mistakes = find_mistakes(values, tmp_path / "locustfile.py")
    assert sorted(mistakes) == [
        "ALL_P95_LATENCY_MS",
        "LOAD_TEST_DURATION_SECONDS",
        "LOAD_TEST_SPAWN_RATE",
        "LOAD_TEST_TIMEOUT",
        "LOAD_TEST_USERS_MAX",
        "LOAD_TEST_USERS_MIN",
    ]
    assert "'long'" in mistakes["LOAD_TEST_DURATION_SECONDS"]


def test_one_end_of_the_levels_is_a_mistake_of_its_own(tmp_path: Path) -> None:
    values = {"LOAD_TEST_USERS_MIN": "x", "LOAD_TEST_USERS_MAX": "100"}
    assert list(find_mistakes(values, tmp_path / "locustfile.py")) == ["LOAD_TEST_USERS_MIN"]


def test_a_mistake_says_where_to_correct_it(tmp_path: Path) -> None:
    values = {"LOAD_TEST_USERS_MIN": "500", "LOAD_TEST_USERS_MAX": "100", "LOAD_TEST_SEED": "x"}
    origins = {**dict.fromkeys(values, "the environment"), "LOAD_TEST_USERS_MIN": ".env.load-testing"}
    variables = Variables(values, origins)
    by_seed, by_ends = settings(variables, find_mistakes(values, tmp_path / "locustfile.py"), tmp_path)
    assert (by_seed.result, by_seed.advice) == ("problem", "correct it in the environment")
    assert by_seed.found.startswith("LOAD_TEST_SEED: 'x'")
    assert by_ends.advice == "correct it in the environment or .env.load-testing"


def test_good_settings_are_counted(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text("x = os.environ['LOAD_TEST_X']")
    [finding] = settings(of(LOAD_TEST_SEED="3", LOAD_TEST_X="y", HOME="/"), {}, tmp_path)
    assert (finding.result, finding.found) == ("ok", "2 variables named LOAD_TEST_…, all can be used")


def test_variables_that_do_not_go_together(tmp_path: Path) -> None:
    values = {"LOAD_TEST_EXPECT_WORKERS": "2", "LOAD_TEST_PROCESSES": "2"}
    assert find_mistakes(values, tmp_path / "locustfile.py") == {}
    [finding] = settings(of(**values), {}, tmp_path)
    assert finding.result == "problem"
    assert "--processes 2" in finding.found


def test_an_exporter_without_a_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        [finding] = settings(of(LOAD_TEST_PROMETHEUS_PORT=port), {}, tmp_path)
    assert finding.result == "problem"
    assert f"LOAD_TEST_PROMETHEUS_PORT={port!r}" in finding.found


def test_variables_that_nobody_knows_and_settings_of_plain_locust_are_reported(tmp_path: Path) -> None:
    (tmp_path / "locust.conf").write_text("tags = slow")
    variables = of(LOAD_TEST_DURATION="3", LOCUST_TAGS="slow", HOME=str(tmp_path))
    unknown, locusts = settings(variables, {}, tmp_path)
    assert unknown.result == locusts.result == "warning"
    assert "LOAD_TEST_DURATION in the environment (is LOAD_TEST_DURATION_SECONDS meant?)" in unknown.found
    assert "LOCUST_TAGS" in locusts.found
    assert "locust.conf" in locusts.found


def test_a_locustfile_that_can_be_used(tmp_path: Path, small_locustfile: Path) -> None:
    shutil.copy(small_locustfile, tmp_path / "locustfile.py")
    assert check_locustfile(tmp_path / "locustfile.py", of(), tmp_path).result == "ok"


def test_a_locustfile_that_refuses_a_setting(tmp_path: Path) -> None:
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text("import os, sys\nsys.exit('OF_MY_OWN=%r is no colour' % os.environ['OF_MY_OWN'])\n")
    finding = check_locustfile(locustfile, of(OF_MY_OWN="blue"), tmp_path)
    assert finding.result == "problem"
    assert "OF_MY_OWN='blue' is no colour" in finding.found


def test_objectives_that_can_not_be_read(tmp_path: Path, small_locustfile: Path) -> None:
    shutil.copy(small_locustfile, tmp_path / "locustfile.py")
    (tmp_path / "objectives.toml").write_text("[all]\nendpoints = 3\n")
    assert find_mistakes({"ALL_RATE": "x"}, tmp_path / "locustfile.py") == {}
    finding = check_locustfile(tmp_path / "locustfile.py", of(), tmp_path)
    assert finding.result == "problem"
    assert "endpoints must list" in finding.found


def test_a_locustfile_that_is_not_there(tmp_path: Path) -> None:
    finding = check_locustfile(tmp_path / "nope.py", of(), tmp_path)
    assert finding.result == "problem"
    assert "nope.py' does not exist" in finding.found
