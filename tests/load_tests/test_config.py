from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from load_tests.config import PERFLABS, Settings, load_settings, read_settings
from perflab.errors import UsageError
from perflab.plan.objectives import load_objectives
from perflab.plan.plan import OPTIONS, make_plan
from perflab.plan.settings import load_environment
from perflab.plan.variables import KNOWN, SETTINGS

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / ".env.load-testing"
OWN = {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias is not None}
VARIABLES = OWN | {str((OPTIONS | SETTINGS)[name].variable) for name in PERFLABS}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, in_empty_folder: Path) -> Iterator[None]:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def settings_of(**variables: str) -> Settings:
    return read_settings(variables)


def test_defaults() -> None:
    settings = load_settings()
    assert (settings.timeout, settings.wait_min, settings.wait_max) == (30, 1, 3)
    assert settings.run_id != settings_of().run_id
    assert (settings.database_url, settings.prometheus_port) == (None, None)


def test_the_committed_file_states_every_variable_at_its_default(in_empty_folder: Path) -> None:
    stated = dotenv_values(COMMITTED)
    objectives = load_objectives(ROOT / "load_tests" / "objectives.toml", {})
    limits = {limit.variable for limit in objectives.limits if limit.variable}
    # perflab gives each run its id.
    suites = (VARIABLES | limits) - {"LOAD_TEST_RUN_ID"}
    assert stated.keys() >= suites
    assert stated.keys() - suites <= KNOWN
    shutil.copy(COMMITTED, in_empty_folder)
    read = load_settings()
    assert read.model_dump(exclude={"run_id"}) == settings_of().model_dump(exclude={"run_id"})
    # perflab means the same by them.
    settings: tuple[dict[str, str], ...] = ({}, load_environment(in_empty_folder))
    plans = [make_plan(environment=names, root=ROOT, launch="x {port}") for names in settings]
    assert plans[0] == plans[1]
    assert (read.timeout, read.seed) == (plans[0].timeout_s, plans[0].seed)
    assert objectives == load_objectives(ROOT / "load_tests" / "objectives.toml", load_environment(in_empty_folder))


def test_every_variable_in_the_committed_file_is_explained() -> None:
    explained = False
    for line in COMMITTED.read_text().splitlines():
        assert explained or line.startswith("#") or not line, line
        explained = bool(line)


def test_the_limits_are_those_of_the_specification() -> None:
    objectives = tomllib.loads((ROOT / "load_tests" / "objectives.toml").read_text())
    expected = {
        "auth": (0.99, 200, "AUTH"),
        "generation": (0.95, 500, "GENERATION"),
        "payments": (0.95, 300, "PAYMENTS"),
    }
    assert objectives.keys() == expected.keys()
    for group, (success_rate, p95_ms, prefix) in expected.items():
        rate, p95 = objectives[group]["success_rate"], objectives[group]["p95_ms"]
        assert rate == {"at_least": success_rate, "variable": f"{prefix}_SUCCESS_RATE_THRESHOLD"}
        assert p95 == {"at_most": p95_ms, "variable": f"{prefix}_P95_LATENCY_MS"}
        assert objectives[group]["error_rate"] == {"complements": "success_rate"}
    target = objectives["generation"]["throughput_rps"]
    assert (target["at_least"], target["variable"]) == (10, "GENERATION_TARGET_RPS")


def test_environment_outranks_local_file_outranks_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env.load-testing").write_text("LOAD_TEST_SEED=1\nLOAD_TEST_TIMEOUT=11\nLOAD_TEST_WAIT_MIN=0.1\n")
    Path(".env.load-testing.local").write_text("LOAD_TEST_SEED=2\nLOAD_TEST_TIMEOUT=12\nOTHER=x\n")
    monkeypatch.setenv("LOAD_TEST_SEED", "3")
    settings = load_settings()
    assert (settings.seed, settings.timeout, settings.wait_min) == (3, 12, 0.1)


def test_the_files_are_found_from_a_folder_below(in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env.load-testing").write_text("LOAD_TEST_SEED=5\n")
    below = in_empty_folder / "load_tests"
    below.mkdir()
    monkeypatch.chdir(below)
    settings = load_settings()
    assert settings.seed == 5
    assert settings.report_dir == in_empty_folder / "load_test_reports"


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")
    settings = load_settings()
    assert settings.model_dump(exclude={"run_id"}) == settings_of().model_dump(exclude={"run_id"})


def test_perflabs_own_variables_are_read_by_perflab(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(LOAD_TEST_TIMEOUT="500ms").timeout == 0.5
    for name, variable, value in (
        ("timeout", "LOAD_TEST_TIMEOUT", "inf"),
        ("seed", "LOAD_TEST_SEED", "1.5"),
        ("prometheus_port", "LOAD_TEST_PROMETHEUS_PORT", "65536"),
    ):
        assert name in PERFLABS
        monkeypatch.setenv(variable, value)
        with pytest.raises(UsageError) as error:
            load_settings()
        assert (error.value.option, error.value.value) == (variable, value)
        monkeypatch.delenv(variable)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("LOAD_TEST_WEIGHT_AUTH", "-1", "a whole number from 0 to 1000"),
        ("LOAD_TEST_WEIGHT_GENERATION", "4.5", "a whole number from 0 to 1000"),
        ("LOAD_TEST_SEEDED_USERS", "-1", "a whole number from 0 to 1000000"),
        ("LOAD_TEST_RUN_ID", "a b", "1 to 64 letters, digits, dots, dashes or underscores"),
        ("LOAD_TEST_RUN_ID", "x\n", "1 to 64 letters, digits, dots, dashes or underscores"),
        ("LOAD_TEST_WAIT_MIN", "-1", "seconds, from 0 to 3600"),
        ("LOAD_TEST_WAIT_MIN", "one\ntwo", "seconds, from 0 to 3600"),
        ("LOAD_TEST_WAIT_MAX", "nan", "seconds, from LOAD_TEST_WAIT_MIN to 3600"),
        ("LOAD_TEST_WAIT_MAX", "0.5", "seconds, from LOAD_TEST_WAIT_MIN to 3600"),
    ],
)
def test_a_bad_value_is_one_line(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError) as error:
        load_settings()
    assert str(error.value) == f"{variable}={value!r} is not allowed: it must be {allowed}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOAD_TEST_DATABASE_URL", "mysql://user:hush@localhost/test"),
        ("LOAD_TEST_DATABASE_URL", "postgresql://user:1#hush@localhost/test"),
        ("LOAD_TEST_DATABASE_URL", "hush"),
        ("LOAD_TEST_SEEDED_PASSWORD", "hush"),
        ("LOAD_TEST_SEEDED_PASSWORD", "hush" * 100),
    ],
)
def test_a_bad_value_that_may_hold_a_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=rf"^{variable} is not allowed: it must be [^\n]+$") as error:
        load_settings()
    assert "hush" not in str(error.value)


def test_secrets_stay_out_of_representations() -> None:
    settings = settings_of(
        LOAD_TEST_DATABASE_URL="postgresql://user:hush@localhost/test", LOAD_TEST_SEEDED_PASSWORD="hush-hush"
    )
    assert "hush" not in f"{settings!r} {settings}"


def test_a_minimum_above_the_default_maximum_names_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST_WAIT_MIN", "5")
    with pytest.raises(UsageError, match=r"^LOAD_TEST_WAIT_MAX='3' is not allowed: .*LOAD_TEST_WAIT_MIN"):
        load_settings()


def test_weights_may_be_0_but_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(LOAD_TEST_WEIGHT_AUTH="0", LOAD_TEST_WEIGHT_PAYMENTS="0").weight_generation == 45
    for kind in ("AUTH", "GENERATION", "PAYMENTS"):
        monkeypatch.setenv(f"LOAD_TEST_WEIGHT_{kind}", "0")
    with pytest.raises(UsageError, match=r"^LOAD_TEST_WEIGHT_PAYMENTS='0' is not allowed: .*above 0 where"):
        load_settings()


def test_an_unreadable_file_is_named() -> None:
    Path(".env.load-testing").write_bytes(b"LOAD_TEST_SEED=\xff\n")
    with pytest.raises(UsageError, match=r"\.env\.load-testing"):
        load_settings()


def test_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "load_tests" / "requirements.txt").read_text().splitlines()
    requirements = [line for line in lines if not line.startswith("#")]
    assert len(requirements) == len(set(requirements)) == 14
    assert set(requirements) <= {*project["dependencies"], *project["optional-dependencies"]["suite"]}
