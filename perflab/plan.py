"""A plan: what is to be run. Parsing of what people type for it, and the safety rule for hosts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from perflab.errors import LocustfileError, TargetError, UsageError
from perflab.hosts import allowed_hosts, is_loopback

DEFAULT_USERS = (100, 250, 500, 1000)
# Users that have just been spawned log in and fill caches; their first think time (1-3 s in most suites) must
# have passed too before the mix of requests is the planned one.
SETTLE_S = 5.0
# Locust's own port. Whoever listens to other machines must ask for it.
MASTER_BIND = "127.0.0.1:5557"

# Beyond this a count is a slip of the finger.
MOST = 1_000_000_000

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+(?:\.\d+)?")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")

UsersLike = int | str | Sequence[int]


class Plan(BaseModel):
    """What is to be run. Durations are in seconds, rates in users per second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None
    launch: str | None = None
    health: str = "/health"
    locustfile: Path
    users: tuple[int, ...] = DEFAULT_USERS
    spawn_rate: float = 10.0
    duration_s: float = 300.0
    settle_s: float = SETTLE_S
    repeats: int = 1
    seed: int = 1
    processes: int = 1
    expect_workers: int = 0
    """Workers that somebody else starts, on this or other machines; 0 for none."""
    master_bind: str = MASTER_BIND
    """Where they reach the master, HOST:PORT."""
    timeout_s: float = 30.0
    label: str = "sweep"

    def run_time_s(self, users: int) -> float:
        """Return the planned length of one run in seconds: ramp-up, settling and steady state."""
        return users / self.spawn_rate + self.settle_s + self.duration_s


def make_plan(
    *,
    environment: Mapping[str, str],
    root: Path,
    host: str | None = None,
    launch: str | None = None,
    health: str | None = None,
    locustfile: str | Path | None = None,
    users: UsersLike | None = None,
    spawn_rate: float | str | None = None,
    duration: float | str | None = None,
    repeats: int | str | None = None,
    seed: int | str | None = None,
    processes: int | str | None = None,
    expect_workers: int | str | None = None,
    master_bind: str | None = None,
    label: str | None = None,
) -> Plan:
    """Return the plan that the options describe; what is not given comes from `environment`, then the defaults.

    Raises UsageError, TargetError or LocustfileError with the value and the way out.
    """

    def given(value: object, variable: str, default: object) -> tuple[object, str]:
        if value is not None:
            return value, "--" + _OPTIONS[variable]
        return environment.get(variable, default), variable

    if host is None and launch is None:
        host, launch = environment.get("LOAD_TEST_HOST"), None
        if host is None:
            launch = environment.get("LOAD_TEST_LAUNCH")
    if host is None and launch is None:
        raise TargetError("no target: give --host URL, or --launch CMD for a server that perflab starts itself")
    if launch is not None and not launch.strip():
        raise TargetError("--launch is empty: give the command that starts the target, with {port} for its port")
    if host is not None:
        host = check_host(host, allowed_hosts(environment))
    workers = _parse_count(*given(expect_workers, "LOAD_TEST_EXPECT_WORKERS", 0), least=0)
    local_processes = _parse_count(*given(processes, "LOAD_TEST_PROCESSES", 1), least=1)
    if workers and local_processes > 1:
        raise UsageError(
            f"--expect-workers {workers} and --processes {local_processes}: the workers are either started by hand or "
            f"by perflab; leave one of the two out"
        )
    level_range = None if users is not None or "LOAD_TEST_USERS" in environment else _level_range(environment)
    return Plan(
        host=host,
        launch=launch,
        health=_check_health(health or "/health"),
        locustfile=_check_locustfile(_locustfile(locustfile, environment, root)),
        users=level_range or parse_users(*given(users, "LOAD_TEST_USERS", DEFAULT_USERS)),
        spawn_rate=_parse_number(*given(spawn_rate, "LOAD_TEST_SPAWN_RATE", 10.0)),
        duration_s=parse_duration(*given(duration, "LOAD_TEST_DURATION_SECONDS", 300.0)),
        repeats=_parse_count(*given(repeats, "LOAD_TEST_REPEATS", 1), least=1),
        seed=_parse_count(*given(seed, "LOAD_TEST_SEED", 1), least=0),
        processes=local_processes,
        expect_workers=workers,
        master_bind=_check_address(*given(master_bind, "LOAD_TEST_MASTER_BIND", MASTER_BIND)),
        settle_s=parse_duration(environment.get("LOAD_TEST_SETTLE_SECONDS", SETTLE_S), "LOAD_TEST_SETTLE_SECONDS"),
        timeout_s=parse_duration(environment.get("LOAD_TEST_TIMEOUT", 30.0), "LOAD_TEST_TIMEOUT"),
        label=slug(label or "sweep"),
    )


_OPTIONS = {
    "LOAD_TEST_USERS": "users",
    "LOAD_TEST_SPAWN_RATE": "spawn-rate",
    "LOAD_TEST_DURATION_SECONDS": "duration",
    "LOAD_TEST_REPEATS": "repeats",
    "LOAD_TEST_SEED": "seed",
    "LOAD_TEST_PROCESSES": "processes",
    "LOAD_TEST_EXPECT_WORKERS": "expect-workers",
    "LOAD_TEST_MASTER_BIND": "master-bind",
}


def parse_users(value: object, source: str = "--users") -> tuple[int, ...]:
    """Return user counts from ``100``, ``"100,250"``, ``"[100, 250]"`` or a sequence of whole numbers.

    Raises UsageError when one is not a positive whole number or stands there twice.
    """
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in "[(" and text[-1:] in ")]":
            text = text[1:-1]
        items: list[object] = [item.strip() for item in text.split(",")] if text else []
    elif isinstance(value, Iterable):
        items = list(value)
    else:
        items = [value]
    if not items:
        raise UsageError(f"{source}: no user count given; write for example 100,250,500,1000")
    counts = tuple(_parse_count(item, source, least=1, example="100,250,500,1000") for item in items)
    for count in counts:
        if counts.count(count) > 1:
            raise UsageError(f"{source}: {count} stands there twice; to measure a level again use --repeats")
    return counts


def parse_duration(value: object, source: str = "--duration") -> float:
    """Return seconds from ``300``, ``"300s"``, ``"5m"``, ``"1h30m"``; raises UsageError when not positive."""
    text = str(value).strip().lower()
    if not isinstance(value, bool) and _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(text)
        if 0 < seconds <= MOST:
            return seconds
    raise UsageError(f"{source}: {_shown(value)} is not a positive duration; write for example 300s, 5m or 1h30m")


def check_host(host: str, allowed: Iterable[str] = ()) -> str:
    """Return `host` without a trailing slash if load may go there; raises TargetError if not.

    Load goes to loopback only, or to a host that is in `allowed` by name (with or without its port).
    """
    try:
        parts = urlsplit(host.strip())
        name, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise TargetError(f"--host {_shown(_without_user(host))} is not a URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise TargetError("--host must not carry a user name or password; give credentials to the locustfile instead")
    if parts.query or parts.fragment:
        raise TargetError("--host must not carry a query or a fragment: give what requests need to the locustfile")
    if parts.scheme not in {"http", "https"} or not name:
        raise TargetError(f"--host {_shown(_without_user(host))} is not a URL; write for example http://localhost:8000")
    if not is_loopback(name) and not {name, f"{name}:{port}"} & set(allowed):
        raise TargetError(
            f"{name!r} is not this machine and is not allowed: name it with --allow-host {name} "
            f"or in LOAD_TEST_ALLOWED_HOSTS if you may load-test it"
        )
    return host.strip().rstrip("/")


def _without_user(host: str) -> str:
    """Return what somebody gave as a host for an error message; a password may stand before an @."""
    return "…@" + host.rpartition("@")[2] if "@" in host else host


def slug(label: str) -> str:
    """Return `label` as it may stand in a folder's name: lower case letters, digits and single dashes."""
    text = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:60]
    if not text:
        raise UsageError(f"--label {_shown(label)} has no letter or digit; write for example --label nightly")
    return text


def split_target(target: str) -> tuple[str | None, str | None]:
    """Return (host, launch) for a notebook's `target`: a URL is a host, anything else a command to start."""
    if re.match(r"[a-z][a-z0-9+.-]*://", target.strip(), re.IGNORECASE):
        return target, None
    return None, target


def _level_range(environment: Mapping[str, str]) -> tuple[int, ...] | None:
    bounds = [environment.get(f"LOAD_TEST_USERS_{end}") for end in ("MIN", "MAX")]
    if bounds == [None, None]:
        return None
    names = ("LOAD_TEST_USERS_MIN", "LOAD_TEST_USERS_MAX")
    high = _parse_count(bounds[1] or DEFAULT_USERS[-1], names[1], least=1)
    return level_range(bounds[0] or min(DEFAULT_USERS[0], high), high, names)


def level_range(low: object, high: object, names: tuple[str, str] = ("--users-min", "--users-max")) -> tuple[int, ...]:
    """Return the levels from `low` to `high`: these two, and of 100, 250, 500 and 1000 those between them.

    Raises UsageError when one is no positive whole number, or they stand the wrong way round.
    """
    most = _parse_count(high, names[1], least=1)
    least = _parse_count(low, names[0], least=1)
    if least > most:
        raise UsageError(f"{names[0]} {least} is above {names[1]} {most}")
    return tuple(sorted({least, most, *(level for level in DEFAULT_USERS if least < level < most)}))


def _locustfile(given: str | Path | None, environment: Mapping[str, str], root: Path) -> Path:
    """Return the path given, from here; else the variable's, from the project's root, where the env files lie."""
    return Path(given) if given else root / environment.get("LOAD_TEST_LOCUSTFILE", "load_tests/locustfile.py")


def _check_locustfile(file: Path) -> Path:
    if not file.is_file():
        raise LocustfileError(f"locustfile {str(file)!r} does not exist: give the path of one with --locustfile F")
    return file.resolve()


def _check_health(path: str) -> str:
    if not re.fullmatch(r"/[!-~]*", path):
        raise UsageError(f"--health {_shown(path)} is not a path; write for example /health")
    return path


def _check_address(value: object, source: str) -> str:
    host, colon, port = str(value).strip().rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{source}: {_shown(value)} is not HOST:PORT; write for example {MASTER_BIND}")
    return f"{host}:{int(port)}"


def _parse_count(value: object, source: str, *, least: int, example: str | None = None) -> int:
    number: object = value
    if isinstance(value, str):
        try:
            number = ast.literal_eval(value.strip()) if value.strip().isascii() else None
        except (ValueError, SyntaxError):
            number = None
    if isinstance(number, int) and not isinstance(number, bool) and least <= number <= MOST:
        return number
    what = "a positive whole number" if least else "a whole number of at least 0"
    hint = f"; write for example {example}" if example else ""
    raise UsageError(f"{source}: {_shown(value)} is not {what}{hint}")


def _parse_number(value: object, source: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if 1 / MOST <= number <= MOST:
        return number
    raise UsageError(f"{source}: {_shown(value)} is not a positive number; write for example 10")


def _shown(value: object) -> str:
    """Return `value` quoted on one short line: it may be anything a person or a script passed."""
    text = repr(str(value))
    return text if len(text) <= 80 else text[:77] + "..."
