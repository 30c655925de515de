"""Settings of the suite, from the environment, then `.env.load-testing.local`, then `.env.load-testing`.

The variables and files are found as perflab finds them, so that both mean the same wherever they are started. What
perflab reads itself is not parsed here again, and limits are in ``objectives.toml``.
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
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from perflab.errors import UsageError
from perflab.plan.plan import OPTIONS
from perflab.plan.settings import load_environment, project_root
from perflab.plan.variables import SETTINGS

# What perflab reads too, as it reads it.
PERFLABS = ("timeout", "seed", "report_dir", "prometheus_port", "prometheus_host")
MAX_USERS = 1_000_000
MAX_SEED = 10**9
# Without a scheme, or with a separator left bare in the password, a part of the password would pass for the host.
_DATABASE_URL = re.compile(r"postgres(ql)?://([^@/?#]*@)?[^@]*")


def is_database_url(url: str) -> bool:
    """Whether this is a PostgreSQL URL whose password, if any, can be told from the rest."""
    return _DATABASE_URL.fullmatch(url) is not None


def _start_time() -> str:
    return f"{time.time_ns():x}"


def _database_url(url: SecretStr) -> SecretStr:
    if not is_database_url(url.get_secret_value()):
        raise ValueError("not a PostgreSQL URL")
    return url


Weight = Annotated[int, Field(ge=0, le=1000)]


class Settings(BaseModel):
    """The variables of the suite; durations in seconds unless named otherwise."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    timeout: float
    seed: int
    report_dir: Path
    prometheus_port: int | None
    prometheus_host: str

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
        le=MAX_USERS,
        description=f"a whole number from 0 to {MAX_USERS}",
    )
    seeded_password: SecretStr = Field(
        SecretStr("load-test-password"),
        validation_alias="LOAD_TEST_SEEDED_PASSWORD",
        min_length=8,
        max_length=256,
        description="8 to 256 characters",
        repr=False,
    )

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
    """The settings of this process, read once. Raises UsageError."""
    return read_settings(load_environment())


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that are in these variables. Raises UsageError."""
    perflabs = {name: option for name, option in (OPTIONS | SETTINGS).items() if name in PERFLABS}
    values = {name: option.read({}, environment) for name, option in perflabs.items()}
    values["report_dir"] = project_root() / values["report_dir"]
    try:
        return Settings.model_validate({**environment, **values})
    except ValidationError as error:
        raise _refused(error, environment) from None


def _refused(error: ValidationError, environment: Mapping[str, str]) -> UsageError:
    """The first complaint; with one value wrong the others are often only its consequences."""
    first = error.errors(include_url=False)[0]
    # A default that is refused goes by the field's name, a given value by its variable's.
    place = str(first["loc"][0])
    field = next(field for name, field in Settings.model_fields.items() if place in (name, field.validation_alias))
    variable = str(field.validation_alias)
    value = environment.get(variable, str(first["input"]))
    # What is kept out of representations may hold a password.
    shown = f"={value[:80]!r}" if field.repr else ""
    return UsageError(
        f"{variable}{shown} is not allowed: it must be {field.description}", variable, value if field.repr else None
    )
