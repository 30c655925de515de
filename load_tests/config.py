"""Settings of the suite, from the environment, then `.env.load-testing.local`, then `.env.load-testing`.

The variables and files are found as perflab finds them, so that both mean the same wherever they are started.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from perflab.errors import UsageError
from perflab.plan.parse import parse_duration
from perflab.plan.settings import load_environment, project_root

MOST_USERS = 1_000_000
MOST_SEED = 10**9
# Without a scheme, or with a separator left bare in the password, a part of the password would pass for the host.
_DATABASE_URL = re.compile(r"postgres(ql)?://([^@/?#]*@)?[^@]*")


class ConfigurationError(Exception):
    """A setting is not usable; the message is one line that names it, its value and what is allowed."""


def is_database_url(url: str) -> bool:
    """Whether this is a PostgreSQL URL whose password, if any, can be told from the rest."""
    return _DATABASE_URL.fullmatch(url) is not None


def _start_time() -> str:
    return f"{time.time_ns():x}"


def _in_seconds(value: object) -> float:
    """Seconds from what perflab takes too: 300, 300s, 5m."""
    try:
        return parse_duration(value)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(name for name in (part.strip().lower() for part in value.split(",")) if name)


def _from_root(path: Path) -> Path:
    return project_root() / path


def _database_url(url: SecretStr) -> SecretStr:
    if not is_database_url(url.get_secret_value()):
        raise ValueError("not a PostgreSQL URL")
    return url


Duration = Annotated[float, BeforeValidator(_in_seconds)]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="a share from 0 to 1")]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False, description="milliseconds, above 0")]
PerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number per second, above 0")]
Weight = Annotated[int, Field(ge=0, le=1000)]


class Settings(BaseModel):
    """The variables of the suite; durations in seconds unless named otherwise."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    host: str | None = Field(
        None,
        validation_alias="LOAD_TEST_HOST",
        pattern=r"^(?i:https?)://[^\s@/?#]+(/[^\s?#]*)?$",
        description="a URL without a user name or a query, for example http://localhost:8000",
        repr=False,
    )
    allowed_hosts: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        (), validation_alias="LOAD_TEST_ALLOWED_HOSTS", description="names of hosts, separated by commas"
    )
    timeout: Duration = Field(
        30, validation_alias="LOAD_TEST_TIMEOUT", le=3600, description="seconds, above 0, at most 3600"
    )

    users_max: int = Field(
        1000,
        validation_alias="LOAD_TEST_USERS_MAX",
        ge=1,
        le=MOST_USERS,
        description=f"a whole number from 1 to {MOST_USERS}",
    )
    users_min: int = Field(
        validation_alias="LOAD_TEST_USERS_MIN",
        default_factory=lambda data: min(100, data["users_max"]),
        ge=1,
        description="a whole number from 1 to LOAD_TEST_USERS_MAX",
    )
    spawn_rate: PerSecond = Field(10, validation_alias="LOAD_TEST_SPAWN_RATE")
    duration: Duration = Field(
        300, validation_alias="LOAD_TEST_DURATION_SECONDS", description="a duration above 0, for example 300 or 5m"
    )
    wait_min: float = Field(
        1,
        validation_alias="LOAD_TEST_WAIT_MIN",
        ge=0,
        le=3600,
        allow_inf_nan=False,
        description="seconds, from 0 to 3600",
    )
    wait_max: float = Field(
        3,
        validation_alias="LOAD_TEST_WAIT_MAX",
        le=3600,
        allow_inf_nan=False,
        description="seconds, from LOAD_TEST_WAIT_MIN to 3600",
    )
    weight_auth: Weight = Field(
        43, validation_alias="LOAD_TEST_WEIGHT_AUTH", description="a whole number from 0 to 1000"
    )
    weight_generation: Weight = Field(
        45, validation_alias="LOAD_TEST_WEIGHT_GENERATION", description="a whole number from 0 to 1000"
    )
    weight_payments: Weight = Field(
        12,
        validation_alias="LOAD_TEST_WEIGHT_PAYMENTS",
        description="a whole number from 0 to 1000, and above 0 where LOAD_TEST_WEIGHT_AUTH and _GENERATION are 0",
    )

    auth_success_rate: Rate = Field(0.99, validation_alias="AUTH_SUCCESS_RATE_THRESHOLD")
    generation_success_rate: Rate = Field(0.95, validation_alias="GENERATION_SUCCESS_RATE_THRESHOLD")
    payments_success_rate: Rate = Field(0.95, validation_alias="PAYMENTS_SUCCESS_RATE_THRESHOLD")
    auth_p95_ms: Milliseconds = Field(200, validation_alias="AUTH_P95_LATENCY_MS")
    generation_p95_ms: Milliseconds = Field(500, validation_alias="GENERATION_P95_LATENCY_MS")
    payments_p95_ms: Milliseconds = Field(300, validation_alias="PAYMENTS_P95_LATENCY_MS")
    generation_target_rps: PerSecond = Field(10, validation_alias="GENERATION_TARGET_RPS")

    seed: int = Field(
        1, validation_alias="LOAD_TEST_SEED", ge=0, le=MOST_SEED, description=f"a whole number from 0 to {MOST_SEED}"
    )
    run_id: str = Field(
        validation_alias="LOAD_TEST_RUN_ID",
        # Unique by default, or a second run would meet the accounts and payments of the first.
        default_factory=_start_time,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="1 to 64 letters, digits, dots, dashes or underscores",
    )
    database_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = Field(
        None,
        validation_alias="LOAD_TEST_DATABASE_URL",
        repr=False,
        description="postgresql://user:password@host:port/database, with @ : / ? # in the password percent-encoded",
    )
    seeded_users: int = Field(
        0,
        validation_alias="LOAD_TEST_SEEDED_USERS",
        ge=0,
        le=MOST_USERS,
        description=f"a whole number from 0 to {MOST_USERS}",
    )
    seeded_password: SecretStr = Field(
        SecretStr("load-test-password"),
        validation_alias="LOAD_TEST_SEEDED_PASSWORD",
        min_length=8,
        max_length=256,
        description="8 to 256 characters",
        repr=False,
    )

    report_dir: Annotated[Path, AfterValidator(_from_root)] = Field(
        Path("load_test_reports"),
        validation_alias="LOAD_TEST_REPORT_DIR",
        description="a folder, named from the project's own",
    )
    prometheus_port: int | None = Field(
        None, validation_alias="LOAD_TEST_PROMETHEUS_PORT", ge=1, le=65535, description="a port from 1 to 65535"
    )
    prometheus_host: str = Field(
        "127.0.0.1", validation_alias="LOAD_TEST_PROMETHEUS_HOST", description="an address to listen on"
    )

    @field_validator("users_min")
    @classmethod
    def _not_above_users_max(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("users_max", value):
            raise ValueError("above LOAD_TEST_USERS_MAX")
        return value

    @field_validator("wait_max")
    @classmethod
    def _not_below_wait_min(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("wait_min", value):
            raise ValueError("below LOAD_TEST_WAIT_MIN")
        return value

    @field_validator("weight_payments")
    @classmethod
    def _somebody_is_left(cls, value: int, info: ValidationInfo) -> int:
        if not any((value, info.data.get("weight_auth", 1), info.data.get("weight_generation", 1))):
            raise ValueError("all weights are 0")
        return value


@functools.cache
def load_settings() -> Settings:
    """The settings of this process, read once. Raises ConfigurationError."""
    try:
        environment = load_environment()
    except UsageError as error:
        raise ConfigurationError(str(error)) from None
    try:
        return Settings.model_validate(environment)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error, environment)) from None


def _one_line(error: ValidationError, environment: Mapping[str, str]) -> str:
    """The first complaint; with one value wrong the others are often only its consequences."""
    first = error.errors(include_url=False)[0]
    # A default that is refused goes by the field's name, a given value by its variable's.
    place = str(first["loc"][0])
    field = next(field for name, field in Settings.model_fields.items() if place in (name, field.validation_alias))
    variable = str(field.validation_alias)
    value = environment.get(variable, str(first["input"]))
    # What is kept out of representations may hold a password.
    shown = f"={value[:80]!r}" if field.repr else ""
    return f"{variable}{shown} is not allowed: it must be {field.description}"
