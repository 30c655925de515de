"""Settings of the suite, from the environment, then `.env.load-testing.local`, then `.env.load-testing`."""

from __future__ import annotations

import functools
import time
from typing import Annotated

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Relative to the working directory, later files override earlier ones.
ENV_FILES = (".env.load-testing", ".env.load-testing.local")


class ConfigurationError(Exception):
    """A setting is not usable; the message is one line that names it, its value and what is allowed."""


def _start_time() -> str:
    return f"{time.time_ns():x}"


Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False, description="seconds, above 0, at most 3600")]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="a share from 0 to 1")]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False, description="milliseconds, above 0")]


class Settings(BaseSettings):
    """The variables that the suite reads; durations in seconds unless named otherwise."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILES, env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    timeout: Seconds = Field(30, validation_alias="LOAD_TEST_TIMEOUT")
    seed: int = Field(1, validation_alias="LOAD_TEST_SEED", description="a whole number")
    run_id: str = Field(
        validation_alias="LOAD_TEST_RUN_ID",
        # Unique by default, or a second run would meet the accounts and payments of the first.
        default_factory=_start_time,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="1 to 64 letters, digits, dots, dashes or underscores",
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
        validate_default=True,
        le=3600,
        allow_inf_nan=False,
        description="seconds, from LOAD_TEST_WAIT_MIN to 3600",
    )

    auth_success_rate: Rate = Field(0.99, validation_alias="AUTH_SUCCESS_RATE_THRESHOLD")
    generation_success_rate: Rate = Field(0.95, validation_alias="GENERATION_SUCCESS_RATE_THRESHOLD")
    payments_success_rate: Rate = Field(0.95, validation_alias="PAYMENTS_SUCCESS_RATE_THRESHOLD")
    auth_p95_ms: Milliseconds = Field(200, validation_alias="AUTH_P95_LATENCY_MS")
    generation_p95_ms: Milliseconds = Field(500, validation_alias="GENERATION_P95_LATENCY_MS")
    payments_p95_ms: Milliseconds = Field(300, validation_alias="PAYMENTS_P95_LATENCY_MS")

    @field_validator("wait_max")
    @classmethod
    def _not_below_wait_min(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("wait_min", value):
            raise ValueError("below LOAD_TEST_WAIT_MIN")
        return value


@functools.cache
def load_settings() -> Settings:
    """The settings of this process, read once. Raises ConfigurationError."""
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(_one_line(error)) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{' or '.join(ENV_FILES)} is not UTF-8 text") from None


def _one_line(error: ValidationError) -> str:
    """The first complaint; with one value wrong the others are often only its consequences."""
    first = error.errors(include_url=False)[0]
    # A default that is refused goes by the field's name, a given value by its variable's.
    given = str(first["loc"][0])
    field = next(field for name, field in Settings.model_fields.items() if given in (name, field.validation_alias))
    value = str(first["input"])[:80]
    return f"{field.validation_alias}={value!r} is not allowed: it must be {field.description}"
