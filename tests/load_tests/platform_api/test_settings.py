"""Settings from flags and environment; test_lifecycle.py tries a few of the same on the real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from load_tests.platform_api.errors import StartError
from load_tests.platform_api.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def _no_outer_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PLATFORM_API_{name.upper()}", raising=False)


def test_defaults() -> None:
    settings = read_settings([])
    assert (settings.host, settings.port, settings.pool_size) == ("127.0.0.1", 8000, 10)
    assert settings.latency == settings.slowdown == settings.error_rate == {}
    other = read_settings([])
    assert settings.token_secret.get_secret_value() != other.token_secret.get_secret_value()


def test_flags() -> None:
    settings = read_settings(
        ["--data-dir", "d", "--latency", "auth=5", "--latency", "payments=2.5", "--slowdown", "generation=3"]
    )
    assert settings.data_dir == Path("d")
    assert settings.latency == {"auth": 5.0, "payments": 2.5}
    assert settings.slowdown == {"generation": 3.0}


def test_every_setting_is_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "HOST": "::1", "PORT": "0", "DATA_DIR": "/x", "POOL_SIZE": "7", "HASH_COST": "5", "SEED": "-3",
        "TOKEN_TTL_SECONDS": "60", "TOKEN_SECRET": "sixteen letters!", "QUEUED_MS": "1", "RUNNING_MS": "2",
        "LATENCY": "auth=1, payments=2", "SLOWDOWN": "auth=1.5", "ERROR_RATE": "generation=0.5",
        "CACHE_TTL_SECONDS": "0.5",
    }  # fmt: skip
    assert {name.lower() for name in given} == Settings.model_fields.keys() - {"database_url", "redis_url"}
    for name, value in given.items():
        monkeypatch.setenv(f"PLATFORM_API_{name}", value)
    settings = read_settings([])
    assert settings.model_dump(exclude={"database_url", "redis_url", "token_secret"}) == {
        "host": "::1", "port": 0, "data_dir": Path("/x"), "pool_size": 7, "hash_cost": 5, "seed": -3,
        "token_ttl_seconds": 60.0, "cache_ttl_seconds": 0.5, "queued_ms": 1.0, "running_ms": 2.0,
        "latency": {"auth": 1.0, "payments": 2.0}, "slowdown": {"auth": 1.5}, "error_rate": {"generation": 0.5},
    }  # fmt: skip
    assert settings.token_secret.get_secret_value() == "sixteen letters!"


def test_flags_outrank_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_API_POOL_SIZE", "0")
    monkeypatch.setenv("PLATFORM_API_LATENCY", "auth=1")
    settings = read_settings(["--pool-size", "3", "--latency", "payments=2"])
    assert settings.pool_size == 3
    assert settings.latency == {"payments": 2.0}


def test_secrets_stay_out_of_reprs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2x@db/x")
    monkeypatch.setenv("REDIS_URL", "redis://me:hunter4x@redis/0")
    monkeypatch.setenv("PLATFORM_API_TOKEN_SECRET", "hunter3x hunter3x")
    settings = read_settings([])
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == "redis://me:hunter4x@redis/0"
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://me:hunter2x@db/x"
    assert "hunter" not in repr(settings)


@pytest.mark.parametrize(
    "option",
    [
        "--pool-size=0",
        "--pool-size=501",
        "--pool-size=many",
        "--port=70000",
        "--port=-1",
        "--port=http",
        "--hash-cost=0",
        "--hash-cost=99",
        "--seed=x",
        "--queued-ms=-1",
        "--running-ms=inf",
        "--token-ttl-seconds=0",
        "--cache-ttl-seconds=0",
        "--cache-ttl-seconds=inf",
        "--latency=nope=5",
        "--latency=auth",
        "--latency=auth=soon",
        "--latency=auth=-1",
        "--latency=auth=",
        "--slowdown=auth=0.5",
        "--slowdown=auth=inf",
        "--error-rate=auth=1.1",
        "--error-rate=auth=-0.1",
        "--error-rate=auth=nan",
    ],
)
def test_bad_values_are_named_in_one_line(option: str) -> None:
    flag, _, value = option.partition("=")
    with pytest.raises(StartError) as caught:
        read_settings([option])
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{flag} {value}: ")
