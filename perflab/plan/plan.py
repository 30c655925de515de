"""A plan: what is to be run. Each option is declared here, at the field that it sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias, TypedDict, Unpack

from pydantic import Field

from perflab.errors import LocustfileError, TargetError, UsageError
from perflab.fields import MAX_DURATION_S, Count, Name, Positive, Rate, Record, Seconds
from perflab.plan.hosts import allowed_hosts, check_host, check_launch
from perflab.plan.options import Option, bound, declared
from perflab.plan.parse import (
    DEFAULT_USERS,
    MAX_LEVELS,
    check_path,
    parse_address,
    parse_count,
    parse_duration,
    parse_label,
    parse_levels,
    parse_number,
    parse_positive,
    parse_text,
    parse_url_path,
    parse_users,
    parse_words,
)
from perflab.vocabulary.level import Level
from perflab.vocabulary.redact import redact

HEALTH = "/health"
LOCUSTFILE = "load_tests/locustfile.py"
# Users that have just been spawned log in and fill caches; their first think time (1-3 s in most suites) must
# have passed too before the mix of requests is the planned one.
SETTLE_S = 5.0
# Locust's own port. Whoever listens to other machines must ask for it.
MASTER_BIND = "127.0.0.1:5557"

UsersLike: TypeAlias = int | str | Sequence[int]


class LoadOptions(TypedDict, total=False):
    """The types of the options that a sweep and the rounds of an A/B comparison have in common."""

    launch: str | None
    health: str | None
    locustfile: str | Path | None
    locust_options: str | Sequence[str] | None
    users: UsersLike | None
    spawn_rate: float | str | None
    duration: float | str | None
    seed: int | str | None
    processes: int | str | None
    label: str | None


class PlanOptions(LoadOptions, total=False):
    """The types of the options of a sweep."""

    host: str | None
    repeats: int | str | None
    expect_workers: int | str | None
    master_bind: str | None


class Plan(Record, extra="forbid"):
    """What is to be run. Durations are in seconds, rates in users per second."""

    host: Annotated[
        str | None,
        Option(
            "URL",
            "The target, e.g. http://localhost:8000.",
            parse_text,
            "LOAD_TEST_HOST",
            differs="the change",
            default=None,
        ),
    ]
    launch: Annotated[
        str | None,
        Option(
            "CMD",
            "Start the target with this command and stop it at the end; {port} is a free port.",
            parse_text,
            "LOAD_TEST_LAUNCH",
            differs="the change",
        ),
    ] = None
    launch_folder: Path = Path()
    """Where the target is started."""
    health: Annotated[
        str, Option("PATH", "A launched target is ready when this answers 2xx.", parse_url_path, "LOAD_TEST_HEALTH")
    ] = HEALTH
    locustfile: Annotated[
        Path, Option("F", "The locustfile.", parse_text, "LOAD_TEST_LOCUSTFILE", short="-f", default=LOCUSTFILE)
    ]
    folder: Path = Path()
    """Where Locust works: relative paths in the locustfile start there."""
    locust_options: Annotated[
        str,
        Option(
            "WORDS",
            "What Locust gets besides: tags, user classes, the locustfile's own options, as on a command line.",
            parse_words,
            "LOAD_TEST_LOCUST_OPTIONS",
            differs="matters",
        ),
    ] = ""
    users: Annotated[
        tuple[Positive, ...],
        Field(min_length=1, max_length=MAX_LEVELS),
        Option("N,N,...", "User counts.", parse_users, "LOAD_TEST_USERS", differs="listed", short="-u"),
    ] = DEFAULT_USERS
    spawn_rate: Annotated[
        Rate, Option("N", "Users started per second.", parse_number, "LOAD_TEST_SPAWN_RATE", differs="listed")
    ] = 10.0
    duration_s: Annotated[
        Seconds,
        Option(
            "TIME",
            "Steady state of a run, e.g. 300s or 5m; ramp-up comes on top.",
            parse_duration,
            "LOAD_TEST_DURATION_SECONDS",
            differs="matters",
        ),
    ] = 300.0
    settle_s: Annotated[
        Seconds,
        Option(
            "TIME",
            "From the last user's start to the steady state.",
            parse_duration,
            "LOAD_TEST_SETTLE_SECONDS",
            differs="matters",
        ),
    ] = SETTLE_S
    repeats: Annotated[Positive, Option("N", "Runs at each level.", parse_positive, "LOAD_TEST_REPEATS")] = 1
    seed: Annotated[
        Count, Option("N", "Seed of the suite's data.", parse_count, "LOAD_TEST_SEED", differs="matters")
    ] = 1
    processes: Annotated[
        Positive, Option("N", "Locust processes.", parse_positive, "LOAD_TEST_PROCESSES", differs="listed")
    ] = 1
    expect_workers: Annotated[
        Count,
        Option(
            "N",
            "Wait for N Locust workers that you start yourself: locust -f F --worker ...",
            parse_count,
            "LOAD_TEST_EXPECT_WORKERS",
            differs="listed",
        ),
    ] = 0
    master_bind: Annotated[
        str, Option("HOST:PORT", "Where those workers reach perflab.", parse_address, "LOAD_TEST_MASTER_BIND")
    ] = MASTER_BIND
    timeout_s: Annotated[
        Seconds,
        Option("TIME", "How long requests in flight get to come back at the end.", parse_duration, "LOAD_TEST_TIMEOUT"),
    ] = 30.0
    label: Annotated[Name, Option("L", "Goes into the sweep's id.", parse_label, differs="listed")] = "sweep"

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels in the order in which they are run."""
        return tuple(map(Level.of_users, self.users))

    @property
    def max_users(self) -> int:
        """The most users that run at once."""
        return max(level.users for level in self.levels)

    def run_time_s(self, level: Level) -> float:
        """Return the planned length of one run in seconds: ramp-up, settling and steady state."""
        return level.users / self.spawn_rate + self.settle_s + self.duration_s

    def without_secrets(self) -> Plan:
        """Return the plan as it may be written down: commands and options may carry passwords."""
        launch = redact(self.launch) if self.launch else None
        return self.model_copy(update={"launch": launch, "locust_options": redact(self.locust_options)})


OPTIONS = declared(Plan)
"""The options of a plan. Those that are not in `PlanOptions` have a variable and no flag."""
LEVEL_ENDS = bound(
    users_min=Option(
        "N",
        f"Load with N users first, then with {', '.join(map(str, DEFAULT_USERS))} as far as they are between.",
        parse_positive,
        "LOAD_TEST_USERS_MIN",
        default=DEFAULT_USERS[0],
    ),
    users_max=Option(
        "N",
        "Load with N users, or up to N where a lowest number is given.",
        parse_positive,
        "LOAD_TEST_USERS_MAX",
        default=DEFAULT_USERS[-1],
    ),
)
"""The ends of the levels, which count where ``LOAD_TEST_USERS`` doesn't."""


def make_plan(*, environment: Mapping[str, str], root: Path, **given: Unpack[PlanOptions]) -> Plan:
    """Return the plan that the options describe; what is not given comes from `environment`, then the defaults.

    Relative paths of what is given, in commands too, start in the working folder; those of variables and defaults in
    `root`. Raises UsageError, TargetError or LocustfileError with the value and the way out.
    """
    values = {option.field: option.read(given, environment) for option in OPTIONS.values()}
    values |= _target(given, environment, root)
    file, folder = locate_locustfile(given.get("locustfile"), environment, root)
    values |= {"locustfile": _check_locustfile(file), "folder": check_path(folder)}
    if given.get("users") is None and (levels := levels_between(environment)):
        values["users"] = levels
    plan = Plan(**values)
    if plan.expect_workers and plan.processes > 1:
        raise UsageError(
            f"--expect-workers {plan.expect_workers} and --processes {plan.processes}: the workers are either started "
            f"by hand or by perflab; leave one of the two out",
            "--expect-workers",
            plan.expect_workers,
        )
    most = max(plan.levels, key=plan.run_time_s)
    if plan.run_time_s(most) > MAX_DURATION_S:
        raise UsageError(
            f"a run of {most} would take {plan.run_time_s(most):.3g} s, more than {MAX_DURATION_S:g}: "
            f"give a shorter --duration or a higher --spawn-rate",
            "--duration",
            plan.duration_s,
        )
    return plan


def _target(given: PlanOptions, environment: Mapping[str, str], root: Path) -> dict[str, str | Path | None]:
    """Return host, launch and launch_folder; a target that is given leaves that of the variables out altogether."""
    by_hand = given.get("host") is not None or given.get("launch") is not None
    host, launch = (OPTIONS[name].read(given, {} if by_hand else environment) for name in ("host", "launch"))
    if host is None and launch is None:
        raise TargetError("no target: give --host URL, or --launch CMD for a server that perflab starts itself")
    if not by_hand and host is not None:
        launch = None
    return {
        "launch": None if launch is None else check_launch(launch, host),
        "host": None if host is None else check_host(host, allowed_hosts(environment)),
        "launch_folder": check_path(Path.cwd() if by_hand else root),
    }


def levels_between(environment: Mapping[str, str]) -> tuple[int, ...] | None:
    """Return the levels between ``LOAD_TEST_USERS_MIN`` and ``_MAX``; None if neither counts. Raises UsageError."""
    ends = {str(end.variable): end for end in LEVEL_ENDS.values()}
    if OPTIONS["users"].variable in environment or not ends.keys() & environment.keys():
        return None
    low, high = (end.read({}, environment) for end in ends.values())
    low_name, high_name = ends
    return parse_levels(low if low_name in environment else min(low, high), high, (low_name, high_name))


def locate_locustfile(given: str | Path | None, environment: Mapping[str, str], root: Path) -> tuple[Path, Path]:
    """Return the locustfile's path and the folder that Locust works in, which relative paths start from.

    That is the working folder for the path `given`; for the variable's and the default the project's `root`, where the
    env files lie.
    """
    if given:
        return Path(str(given)), Path.cwd()
    return root / OPTIONS["locustfile"].read({}, environment), root


def _check_locustfile(file: Path) -> Path:
    if not file.is_file():
        why = "is no regular file" if file.exists() else "does not exist"
        raise LocustfileError(f"locustfile {str(file)!r} {why}: give the path of one with --locustfile F", path=file)
    check_path(file.absolute())
    # Not its target if it is a link: Locust looks for modules beside the link.
    return file.absolute()
