"""Settings of the reference Platform API: command line over environment over defaults."""

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from load_tests.platform_api.errors import StartError

Group = Literal["auth", "generation", "payments"]
GROUPS: tuple[Group, ...] = get_args(Group)

# A quarter of a millisecond of a core. A service that keeps real passwords takes 17, two thousand times as long; but a
# third of the suite's requests hash one, and scrypt would leave little else to measure.
HASH_COST = 6

_PREFIX = "PLATFORM_API_"


def _split_pairs(value: object) -> object:
    """`auth=5,payments=400` as a dict of strings; anything but text is passed on."""
    if not isinstance(value, str):
        return value
    pairs: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in value.split(","))):
        group, separator, number = item.partition("=")
        if not separator:
            raise ValueError(f"{item!r} is not GROUP=NUMBER, such as payments=2")
        if group not in GROUPS:
            raise ValueError(f"unknown group {group!r}, choose from {', '.join(GROUPS)}")
        pairs[group] = number
    return pairs


_Milliseconds = Annotated[float, Field(ge=0, le=600_000, allow_inf_nan=False)]
_Factor = Annotated[float, Field(ge=1, le=10_000, allow_inf_nan=False)]
_Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_PAIRS = BeforeValidator(_split_pairs)


class Settings(BaseSettings):
    """Everything that can be set; times in the unit their name ends with."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, populate_by_name=True
    )

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on, 0 for a free one")
    database_url: SecretStr | None = Field(
        None, validation_alias="DATABASE_URL", description="PostgreSQL to use instead of an own one"
    )
    redis_url: SecretStr | None = Field(
        None, validation_alias="REDIS_URL", description="Redis that keeps generation listings for a moment"
    )
    cache_ttl_seconds: float = Field(
        1, ge=0.001, le=3600, allow_inf_nan=False, description="how long a listing is kept in Redis"
    )
    data_dir: Path | None = Field(None, description="directory that keeps the own PostgreSQL's data")
    pool_size: int = Field(10, ge=1, le=500, description="database connections")
    hash_cost: int = Field(HASH_COST, ge=1, le=17, description="scrypt cost of passwords, as log2(N)")
    token_ttl_seconds: float = Field(3600, gt=0, allow_inf_nan=False, description="life of a bearer token")
    token_secret: SecretStr = Field(
        default_factory=lambda: SecretStr(secrets.token_urlsafe(32)),
        min_length=16,
        description="key that signs bearer tokens; random at each start unless given",
    )
    queued_ms: float = Field(300, ge=0, le=1e9, description="time a generation task stays queued")
    running_ms: float = Field(1000, ge=0, le=1e9, description="time a generation task runs")
    latency: Annotated[dict[Group, _Milliseconds], NoDecode, _PAIRS] = Field(
        {}, description="extra latency of a group, ms"
    )
    slowdown: Annotated[dict[Group, _Factor], NoDecode, _PAIRS] = Field({}, description="factor on a group's own time")
    error_rate: Annotated[dict[Group, _Fraction], NoDecode, _PAIRS] = Field(
        {}, description="fraction of a group answered 503"
    )
    seed: int = Field(0, description="seed of the error rate's random numbers")

    @model_validator(mode="after")
    def _one_database(self) -> "Settings":
        if self.database_url is not None and self.data_dir is not None:
            raise ValueError("--data-dir is for the own PostgreSQL and DATABASE_URL names another: unset one")
        return self


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message} (see --help)")


# Secrets would show up in the process list, so they have no flag.
_ENVIRONMENT_ONLY = {"database_url", "redis_url", "token_secret"}
_METAVAR = {"latency": "GROUP=MS", "slowdown": "GROUP=FACTOR", "error_rate": "GROUP=FRACTION"}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from command-line arguments and environment; StartError names the first bad value."""
    parser = _Parser(
        prog="python -m load_tests.platform_api",
        description=__doc__,
        epilog=f"Every setting is also an environment variable, such as {_PREFIX}POOL_SIZE; "
        "the database is DATABASE_URL, the cache REDIS_URL and the token secret PLATFORM_API_TOKEN_SECRET.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    for name, field in Settings.model_fields.items():
        if name in _ENVIRONMENT_ONLY:
            continue
        repeated = {"action": "append", "metavar": _METAVAR[name]} if name in _METAVAR else {}
        parser.add_argument(_flag(name), help=field.description, **repeated)  # type: ignore[arg-type]
    given = vars(parser.parse_args(arguments))
    for name in _METAVAR.keys() & given.keys():
        given[name] = ",".join(given[name])
    try:
        return Settings(**given)
    except ValidationError as error:
        raise StartError(_one_line(error, given)) from None


def _one_line(error: ValidationError, given: dict[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ").replace("\n", " ")
    if not first["loc"]:
        return message
    name, *inner = (str(part) for part in first["loc"])
    field = Settings.model_fields.get(name)
    variable = _PREFIX + name.upper() if field else name  # an error goes by the alias of a field that has one
    label = _flag(name) if name in given else variable
    secret = name.lower() in _ENVIRONMENT_ONLY
    value = "" if secret else f" {'='.join([*inner, str(first['input'])])}"
    return f"{label}{value}: {message}"
