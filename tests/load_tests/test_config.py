from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tests.config import ConfigurationError, Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_defaults() -> None:
    settings = load_settings()
    assert (settings.timeout, settings.wait_min, settings.wait_max) == (30, 1, 3)
    assert settings.run_id != Settings().run_id


def test_objectives_and_settings_agree(monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert getattr(load_settings(), f"{group}_success_rate") == success_rate
        assert getattr(load_settings(), f"{group}_p95_ms") == p95_ms
        monkeypatch.setenv(rate["variable"], "0.5")
        monkeypatch.setenv(p95["variable"], "12.5")
        assert getattr(Settings(), f"{group}_success_rate") == 0.5
        assert getattr(Settings(), f"{group}_p95_ms") == 12.5


def test_environment_outranks_local_file_outranks_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env.load-testing").write_text("LOAD_TEST_SEED=1\nLOAD_TEST_TIMEOUT=11\nLOAD_TEST_WAIT_MIN=0.1\n")
    Path(".env.load-testing.local").write_text("LOAD_TEST_SEED=2\nLOAD_TEST_TIMEOUT=12\nLOAD_TEST_HOST=x\n")
    monkeypatch.setenv("LOAD_TEST_SEED", "3")
    settings = load_settings()
    assert (settings.seed, settings.timeout, settings.wait_min) == (3, 12, 0.1)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST_TIMEOUT", "")
    assert load_settings().timeout == 30


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("LOAD_TEST_TIMEOUT", "0", "seconds, above 0, at most 3600"),
        ("LOAD_TEST_TIMEOUT", "inf", "seconds, above 0, at most 3600"),
        ("LOAD_TEST_SEED", "1.5", "a whole number"),
        ("LOAD_TEST_RUN_ID", "a b", "1 to 64 letters, digits, dots, dashes or underscores"),
        ("LOAD_TEST_RUN_ID", "x\n", "1 to 64 letters, digits, dots, dashes or underscores"),
        ("LOAD_TEST_WAIT_MIN", "-1", "seconds, from 0 to 3600"),
        ("LOAD_TEST_WAIT_MIN", "one\ntwo", "seconds, from 0 to 3600"),
        ("LOAD_TEST_WAIT_MAX", "nan", "seconds, from LOAD_TEST_WAIT_MIN to 3600"),
        ("LOAD_TEST_WAIT_MAX", "0.5", "seconds, from LOAD_TEST_WAIT_MIN to 3600"),
        ("PAYMENTS_SUCCESS_RATE_THRESHOLD", "95", "a share from 0 to 1"),
        ("AUTH_P95_LATENCY_MS", "200ms", "milliseconds, above 0"),
    ],
)
def test_a_bad_value_is_one_line(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    assert str(error.value) == f"{variable}={value!r} is not allowed: it must be {allowed}"


def test_a_minimum_above_the_default_maximum_names_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST_WAIT_MIN", "5")
    with pytest.raises(ConfigurationError, match=r"^LOAD_TEST_WAIT_MAX='3' is not allowed: .*LOAD_TEST_WAIT_MIN"):
        load_settings()


def test_an_unreadable_file_is_named() -> None:
    Path(".env.load-testing").write_bytes(b"LOAD_TEST_SEED=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env\.load-testing"):
        load_settings()


def test_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "load_tests" / "requirements.txt").read_text().splitlines()
    requirements = [line for line in lines if not line.startswith("#")]
    assert len(requirements) == 10
    assert set(requirements) <= set(project["dependencies"])
