"""Objectives: limits on groups of endpoints, read from a TOML file beside the locustfile.

    [auth]
    endpoints = ["/health", "/api/v1/auth/*"]
    success_rate = { at_least = 0.99, variable = "AUTH_SUCCESS_RATE_THRESHOLD" }
    error_rate = { complements = "success_rate" }
    p95_ms = { at_most = 200, variable = "AUTH_P95_LATENCY_MS" }

`endpoints` are request names as they are, or shell patterns on them, with a method in front where it matters
("POST /orders").
`variable` names the environment variable that overrides the limit. A throughput counts successful requests, of some of
the group's endpoints if it names them, and is judged from a number of users on if it says so:

    throughput_rps = { at_least = 10, endpoints = ["POST /orders"], from_users = 100 }

`perflab.vocabulary.metric` says which metrics there are, and what an objective on one states besides its limit.

Without a file, a success rate of at least 99 % of all requests is the objective; an empty file sets none.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError, model_validator

from perflab.errors import UsageError
from perflab.fields import MAX_AMOUNT, Amount, Count, Name, Record, first_problem
from perflab.files import read_text
from perflab.vocabulary.level import Level, LevelKind
from perflab.vocabulary.metric import SUCCESS_RATE, Bound, Metric, Percentile, find_metric, known_metrics, metric_of
from perflab.vocabulary.text import request_name

_FILE = "objectives.toml"

RecordT = TypeVar("RecordT", bound=Record)


class Objective(Record, extra="forbid"):
    """One limit on one group, in the metric's unit. Rates are fractions."""

    group: Name
    metric: Name
    bound: Bound
    limit: Amount
    parameters: dict[Name, Amount] = Field(default_factory=dict)
    """The metric's own, by their names."""
    variable: Name | None = None
    endpoints: tuple[Name, ...] = ()
    """Patterns of the endpoints that count for it; none for all of the group."""
    from_users: Count = 0
    """Levels with fewer users are not judged: they don't offer the load that it speaks of."""

    def applies_at(self, level: Level) -> bool:
        """Return whether it is to be met at a level."""
        return level.kind is not LevelKind.USERS or level.value >= self.from_users

    def __hash__(self) -> int:
        # Parameters have none.
        return hash((self.group, self.metric, self.limit))

    @property
    def definition(self) -> Metric:
        """The metric that it limits: its unit, direction and words."""
        return metric_of(self.metric)

    @property
    def percentile(self) -> float | None:
        """The percentile as a fraction (0.95) for a latency objective, else None."""
        metric = self.definition
        return metric.q if isinstance(metric, Percentile) else None

    @property
    def latencies_ms(self) -> list[float]:
        """The latencies that it holds requests against; none if it is not made of latencies."""
        limit = [self.limit] if self.definition.unit == "ms" else []
        return limit + [value for name, value in self.parameters.items() if name.endswith("_ms")]

    @property
    def words(self) -> str:
        """What it limits: success rate, p95, throughput of POST /orders."""
        of = f" of {' or '.join(self.endpoints)}" if self.endpoints else ""
        return self.definition.called(self.parameters) + of


class Group(Record, extra="forbid"):
    """Endpoints that are judged together, by shell patterns on their names."""

    name: Name
    endpoints: tuple[Name, ...]

    def matches(self, method: str, name: str) -> bool:
        """Say whether requests of this method and name belong to the group."""
        return any_matches(self.endpoints, method, name)


def any_matches(patterns: Iterable[str], method: str, name: str) -> bool:
    """Say whether an endpoint, as it was recorded, has one of the names or fits one of the shell patterns.

    Either may have a method in front. A name counts as one whatever is in it, such as ``/blog?id=[id]``.
    """
    return any(
        name in (request_name(pattern), request_name(pattern.removeprefix(f"{method} ")))
        or fnmatchcase(name, pattern)
        or (" " in pattern and fnmatchcase(f"{method} {name}", pattern))
        for pattern in patterns
    )


class Objectives(Record, extra="forbid"):
    """The groups of a suite and their limits; empty for a locustfile without objectives."""

    groups: tuple[Group, ...] = ()
    limits: tuple[Objective, ...] = ()
    default: bool = False
    """Whether nobody has stated them: see `DEFAULT`."""

    @model_validator(mode="after")
    def _check_limits(self) -> Objectives:
        names = [group.name for group in self.groups]
        if len(set(names)) < len(names):
            raise ValueError("a group is there twice")
        for limit in self.limits:
            if limit.group not in names:
                raise ValueError(f"an objective is of the group {limit.group!r}, which is not there")
            if (
                (metric := find_metric(limit.metric)) is None
                or limit.bound != metric.bound
                or limit.limit > metric.most
                or set(limit.parameters) != set(metric.parameters)
            ):
                raise ValueError(f"{limit.metric!r} with {limit.bound} {limit.limit:g} is no objective")
        places = [(limit.group, limit.metric) for limit in self.limits]
        if len(set(places)) < len(places):
            raise ValueError("an objective is there twice")
        return self

    def group_of(self, method: str, name: str) -> str | None:
        """Return the first group that an endpoint belongs to, None if it belongs to none."""
        return next((group.name for group in self.groups if group.matches(method, name)), None)

    def of_group(self, name: str) -> Iterable[Objective]:
        """Return the limits of one group in the file's order."""
        return (limit for limit in self.limits if limit.group == name)


DEFAULT = Objectives(
    groups=(Group(name="all", endpoints=("*",)),),
    limits=(Objective(group="all", metric=SUCCESS_RATE.name, bound=SUCCESS_RATE.bound, limit=0.99),),
    default=True,
)
"""Where nobody states objectives: a target that only fails must not pass. An empty objectives file switches it off."""


def choose_objectives(file: str | Path | None, locustfile: Path, environment: Mapping[str, str]) -> Objectives:
    """Return the objectives of `file`, of the one beside `locustfile`, or the default ones; raises UsageError."""
    path = Path(str(file)) if file else find_objectives(locustfile)
    return DEFAULT if path is None else load_objectives(path, environment)


def find_objectives(locustfile: Path) -> Path | None:
    """Return the ``objectives.toml`` beside `locustfile`, None if there is none."""
    beside = locustfile.parent / _FILE
    return beside if beside.is_file() else None


def load_objectives(path: Path, environment: Mapping[str, str]) -> Objectives:
    """Read objectives from TOML, each limit overridden by its variable in `environment`; raises UsageError."""
    try:
        tables = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise UsageError(
            f"objectives file {str(path)!r} does not exist: give the path of one with --objectives F",
            "--objectives",
            path,
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"objectives file {str(path)!r} can't be read: {error}", "--objectives", path) from None
    groups: list[Group] = []
    limits: list[Objective] = []
    for name, table in tables.items():
        where = f"{path.name}, [{name}]"
        if not isinstance(table, dict):
            raise UsageError(f"{where}: expected a table with endpoints and limits", where, table)
        patterns = table.pop("endpoints", None)
        if not isinstance(patterns, list) or not patterns or not all(isinstance(p, str) for p in patterns):
            raise UsageError(
                f'{where}: endpoints must list at least one pattern, for example ["/orders/*"]', where, patterns
            )
        groups.append(_valid(where, Group, name=name, endpoints=tuple(patterns)))
        resolved: dict[str, Objective] = {}
        for metric, spec in table.items():
            resolved[metric] = _objective(name, metric, spec, resolved, environment, where)
        limits.extend(resolved.values())
    return _valid(path.name, Objectives, groups=tuple(groups), limits=tuple(limits))


def _valid(where: str, kind: type[RecordT], **fields: Any) -> RecordT:
    try:
        return kind(**fields)
    except ValidationError as error:
        raise UsageError(f"{where}: {first_problem(error)}", option=where) from None


def _objective(
    group: str,
    metric: str,
    spec: object,
    earlier: Mapping[str, Objective],
    environment: Mapping[str, str],
    where: str,
) -> Objective:
    definition = find_metric(metric)
    if definition is None:
        raise UsageError(f"{where}: {metric!r} is not an objective: state a limit on {known_metrics()}", where, metric)
    bound = definition.bound
    selective = {"endpoints", "from_users"} if definition.selective else set()
    texts = [spec.get(key, "") for key in ("variable", "complements")] if isinstance(spec, dict) else []
    if (
        not isinstance(spec, dict)
        or not set(spec) <= {bound, "variable", "complements", *definition.parameters, *selective}
        or not all(isinstance(text, str) for text in texts)
    ):
        own = "".join(f", {name} = NUMBER" for name in definition.parameters)
        raise UsageError(f"{where}: {metric} must look like {{ {bound} = LIMIT{own}, variable = 'NAME' }}", where, spec)
    patterns, from_users = spec.get("endpoints", []), spec.get("from_users", 0)
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise UsageError(
            f'{where}, {metric}: endpoints must be a list of patterns, for example ["POST /orders"]', where, patterns
        )
    if not isinstance(from_users, int) or isinstance(from_users, bool) or from_users < 0:
        raise UsageError(
            f"{where}, {metric}: from_users must be a whole number of users, not {from_users!r}", where, from_users
        )
    other = spec.get("complements")
    if other is not None:
        if other not in earlier or other != definition.complement or len(spec) != 1:
            raise UsageError(
                f"{where}: {metric} can complement only the other rate, stated before it, and has no limit itself",
                where,
                other,
            )
        return Objective(group=group, metric=metric, bound=bound, limit=round(1 - earlier[other].limit, 12))
    parameters = {name: _parameter(f"{where}, {metric}", name, spec.get(name)) for name in definition.parameters}
    variable = spec.get("variable")
    stated = environment.get(variable) if variable else None
    value, source = (spec.get(bound), f"{where}, {metric}") if stated is None else (stated, str(variable))
    try:
        limit = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        limit = math.nan
    if not (math.isfinite(limit) and 0 <= limit <= definition.most):
        allowed = "a fraction between 0 and 1, such as 0.99" if definition.most == 1 else "a number of at least 0"
        raise UsageError(f"{source}: {value!r} is not {allowed}", source, value)
    return _valid(
        f"{where}, {metric}",
        Objective,
        group=group,
        metric=metric,
        bound=bound,
        limit=limit,
        parameters=parameters,
        variable=variable,
        endpoints=tuple(patterns),
        from_users=from_users,
    )


def _parameter(where: str, name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_AMOUNT:
        return float(value)
    missing = value is None
    what = f"{name} is missing" if missing else f"{name} must be a number of at least 0, not {value!r}"
    raise UsageError(f"{where}: {what}; write for example {name} = 200", where, value)
