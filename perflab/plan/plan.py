"""A plan: what is to be run. Parsing of what people type for it, and the safety rule for hosts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from perflab.errors import LocustfileError, TargetError, UsageError
from perflab.fields import LONGEST_S, Count, Name, Positive, Rate, Record, Seconds
from perflab.plan.amounts import (
    DEFAULT_USERS,
    MOST_LEVELS,
    level_range,
    parse_count,
    parse_duration,
    parse_number,
    parse_users,
    quoted,
)
from perflab.plan.hosts import allowed_hosts, is_loopback
from perflab.vocabulary.redact import redact

HEALTH = "/health"
LOCUSTFILE = "load_tests/locustfile.py"
# Users that have just been spawned log in and fill caches; their first think time (1-3 s in most suites) must
# have passed too before the mix of requests is the planned one.
SETTLE_S = 5.0
# Locust's own port. Whoever listens to other machines must ask for it.
MASTER_BIND = "127.0.0.1:5557"

UsersLike = int | str | Sequence[int]


class Plan(Record, extra="forbid"):
    """What is to be run. Durations are in seconds, rates in users per second."""

    host: str | None
    launch: str | None = None
    launch_folder: Path = Path()
    """Where the target is started."""
    health: str = HEALTH
    locustfile: Path
    folder: Path = Path()
    """Where Locust works: relative paths in the locustfile start there."""
    locust_options: str = ""
    """What Locust gets besides: tags, user classes, the locustfile's own options, as on a command line."""
    users: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=MOST_LEVELS)] = DEFAULT_USERS
    spawn_rate: Rate = 10.0
    duration_s: Seconds = 300.0
    settle_s: Seconds = SETTLE_S
    repeats: Positive = 1
    seed: Count = 1
    processes: Positive = 1
    expect_workers: Count = 0
    """Workers that somebody else starts, on this or other machines; 0 for none."""
    master_bind: str = MASTER_BIND
    """Where they reach the master, HOST:PORT."""
    timeout_s: Seconds = 30.0
    label: Name = "sweep"

    def run_time_s(self, users: int) -> float:
        """Return the planned length of one run in seconds: ramp-up, settling and steady state."""
        return users / self.spawn_rate + self.settle_s + self.duration_s

    def without_secrets(self) -> Plan:
        """Return the plan as it may be written down: commands and options may carry passwords."""
        launch = redact(self.launch) if self.launch else None
        return self.model_copy(update={"launch": launch, "locust_options": redact(self.locust_options)})


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
    locust_options: str | Sequence[str] | None = None,
    label: str | None = None,
) -> Plan:
    """Return the plan that the options describe; what is not given comes from `environment`, then the defaults.

    Relative paths of what is given, in commands too, start in the working folder; those of variables and defaults in
    `root`. Raises UsageError, TargetError or LocustfileError with the value and the way out.
    """

    def given(value: object, variable: str, default: object) -> tuple[object, str]:
        if value is not None:
            return value, "--" + _OPTIONS[variable]
        return environment.get(variable, default), variable

    launch_folder = Path.cwd()
    if host is None and launch is None:
        host, launch, launch_folder = environment.get("LOAD_TEST_HOST"), None, root
        if host is None:
            launch = environment.get("LOAD_TEST_LAUNCH")
    if host is None and launch is None:
        raise TargetError("no target: give --host URL, or --launch CMD for a server that perflab starts itself")
    if launch is not None:
        check_launch(launch, host)
    if host is not None:
        host = check_host(host, allowed_hosts(environment))
    workers = parse_count(*given(expect_workers, "LOAD_TEST_EXPECT_WORKERS", 0), least=0)
    local_processes = parse_count(*given(processes, "LOAD_TEST_PROCESSES", 1), least=1)
    if workers and local_processes > 1:
        raise UsageError(
            f"--expect-workers {workers} and --processes {local_processes}: the workers are either started by hand or "
            f"by perflab; leave one of the two out"
        )
    file, folder = locate_locustfile(locustfile, environment, root)
    level_range = None if users is not None or "LOAD_TEST_USERS" in environment else _level_range(environment)
    plan = Plan(
        host=host,
        launch=launch,
        launch_folder=check_path(launch_folder),
        health=_check_health(*given(health, "LOAD_TEST_HEALTH", HEALTH)),
        locustfile=_check_locustfile(file),
        folder=check_path(folder),
        locust_options=_check_words(*given(locust_options, "LOAD_TEST_LOCUST_OPTIONS", "")),
        users=level_range or parse_users(*given(users, "LOAD_TEST_USERS", DEFAULT_USERS)),
        spawn_rate=parse_number(*given(spawn_rate, "LOAD_TEST_SPAWN_RATE", 10.0)),
        duration_s=parse_duration(*given(duration, "LOAD_TEST_DURATION_SECONDS", 300.0)),
        repeats=parse_count(*given(repeats, "LOAD_TEST_REPEATS", 1), least=1),
        seed=parse_count(*given(seed, "LOAD_TEST_SEED", 1), least=0),
        processes=local_processes,
        expect_workers=workers,
        master_bind=_check_address(*given(master_bind, "LOAD_TEST_MASTER_BIND", MASTER_BIND)),
        settle_s=parse_duration(environment.get("LOAD_TEST_SETTLE_SECONDS", SETTLE_S), "LOAD_TEST_SETTLE_SECONDS"),
        timeout_s=parse_duration(environment.get("LOAD_TEST_TIMEOUT", 30.0), "LOAD_TEST_TIMEOUT"),
        label=slug(label or "sweep"),
    )
    most = max(plan.users)
    if plan.run_time_s(most) > LONGEST_S:
        raise UsageError(
            f"a run of {most} users would take {plan.run_time_s(most):.3g} s, more than {LONGEST_S:g}: "
            f"give a shorter --duration or a higher --spawn-rate"
        )
    return plan


_OPTIONS = {
    "LOAD_TEST_HEALTH": "health",
    "LOAD_TEST_LOCUST_OPTIONS": "locust-options",
    "LOAD_TEST_USERS": "users",
    "LOAD_TEST_SPAWN_RATE": "spawn-rate",
    "LOAD_TEST_DURATION_SECONDS": "duration",
    "LOAD_TEST_REPEATS": "repeats",
    "LOAD_TEST_SEED": "seed",
    "LOAD_TEST_PROCESSES": "processes",
    "LOAD_TEST_EXPECT_WORKERS": "expect-workers",
    "LOAD_TEST_MASTER_BIND": "master-bind",
}


def check_launch(launch: str, host: str | None = None) -> None:
    """Raise TargetError for a command that starts no target, or one of which nobody knows where it will listen."""
    if not _is_utf8(launch):
        raise TargetError(f"--launch {quoted(redact(launch))} is not UTF-8, so no result could name it")
    if not launch.strip():
        raise TargetError("--launch is empty: give the command that starts the target, with {port} for its port")
    if host is None and "{port}" not in launch:
        raise TargetError(
            f"--launch {quoted(redact(launch))} has no {{port}}, so nobody knows where the target will listen: write "
            f"{{port}} where the command takes its port, or give --host URL too"
        )


def check_host(host: str, allowed: Iterable[str] = ()) -> str:
    """Return `host` without a trailing slash if load may go there; raises TargetError if not.

    Load goes to loopback only, or to a host that is in `allowed` by name (with or without its port).
    """
    try:
        parts = urlsplit(host.strip())
        name, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise TargetError(f"--host {quoted(_without_user(host))} is not a URL: {error}") from None
    if parts.username is not None or parts.password is not None:
        raise TargetError("--host must not carry a user name or password; give credentials to the locustfile instead")
    if parts.query or parts.fragment:
        raise TargetError("--host must not carry a query or a fragment: give what requests need to the locustfile")
    if parts.scheme not in {"http", "https"} or not name:
        raise TargetError(f"--host {quoted(_without_user(host))} is not a URL; write for example http://localhost:8000")
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
        raise UsageError(f"--label {quoted(label)} has no letter or digit; write for example --label nightly")
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
    high = parse_count(bounds[1] or DEFAULT_USERS[-1], names[1], least=1)
    return level_range(bounds[0] or min(DEFAULT_USERS[0], high), high, names)


def locate_locustfile(given: str | Path | None, environment: Mapping[str, str], root: Path) -> tuple[Path, Path]:
    """Return the locustfile's path and the folder that Locust works in, which relative paths start from.

    That is the working folder for the path `given`; for the variable's and the default the project's `root`, where the
    env files lie.
    """
    if given:
        return Path(given), Path.cwd()
    return root / environment.get("LOAD_TEST_LOCUSTFILE", LOCUSTFILE), root


def _check_locustfile(file: Path) -> Path:
    if not file.is_file():
        raise LocustfileError(f"locustfile {str(file)!r} does not exist: give the path of one with --locustfile F")
    check_path(file.absolute())
    # Not its target if it is a link: Locust looks for modules beside the link.
    return file.absolute()


def check_path(path: Path) -> Path:
    """Return `path`; raises UsageError for one that is not UTF-8, which no manifest and no report could name."""
    if not _is_utf8(str(path)):
        raise UsageError(f"{str(path)!r} is not UTF-8, so no result could name it: rename it")
    return path


def _is_utf8(text: str) -> bool:
    """Say whether a text can be written down: what the shell or a folder had in other bytes can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_words(value: object, source: str) -> str:
    """Return words as on a command line, from such a line or a list."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        words = [str(word) for word in value]
    else:
        try:
            words = shlex.split(str(value))
        except ValueError as error:
            raise UsageError(f"{source}: {quoted(redact(str(value)))} is not a line of words: {error}") from None
    line = shlex.join(words)
    if not _is_utf8(line):
        raise UsageError(f"{source}: {quoted(redact(line))} is not UTF-8, so no result could name it")
    return line


def _check_health(value: object, source: str) -> str:
    if not re.fullmatch(r"/[!-~]*", path := str(value)):
        raise UsageError(f"{source}: {quoted(value)} is not a path; write for example {HEALTH}")
    return path


def _check_address(value: object, source: str) -> str:
    found = re.fullmatch(r"([!-~]+):(\d{1,5})", str(value).strip(), re.ASCII)
    if found is None or not 0 < int(found[2]) < 65536:
        raise UsageError(f"{source}: {quoted(value)} is not HOST:PORT; write for example {MASTER_BIND}")
    return f"{found[1]}:{int(found[2])}"
