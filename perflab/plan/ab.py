"""What an A/B comparison is to do: two targets, how they are loaded against each other, and when it may stop.

Everything that its error rates depend on is set here, before the first round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Unpack, get_args

from pydantic import Field

from perflab.errors import UsageError
from perflab.fields import Positive, Record, Share
from perflab.plan.hosts import split_target
from perflab.plan.options import Option, declared, with_defaults
from perflab.plan.parse import parse_positive, parse_share
from perflab.plan.plan import OPTIONS, LoadOptions, Plan, make_plan
from perflab.vocabulary.redact import redact

Design: TypeAlias = Literal["duet", "interleaved"]
DESIGNS: tuple[Design, ...] = get_args(Design)

# The numbers of rounds at which the two are compared, until there is a verdict.
LOOKS = (5, 10, 15, 20)
MARGIN, ALPHA = 0.05, 0.01
SETTLE_S = 3.0
# A round's load and length: `python -m benchmarks.comparison_real` shows what they are good for. They don't come from
# variables, which are made for sweeps.
ROUND = {"users": (250,), "spawn_rate": 250.0, "duration": 15.0, "label": "ab"}


def _parse_design(value: object, source: str) -> str:
    if value in DESIGNS:
        return str(value)
    raise UsageError(f"{source} {value!r} is not known: it is {' or '.join(DESIGNS)}", source, value)


def _parse_rounds(value: object, source: str) -> tuple[int, ...]:
    if (rounds := parse_positive(value, source)) >= 2:
        return (rounds,)
    raise UsageError(
        f"{source} {value}: it takes at least 2 rounds to tell a change from noise, 5 to be of use", source, value
    )


class AbTarget(Record, extra="forbid"):
    """One of the two: a URL, a command that perflab starts, or the command of both at a git ref."""

    host: str | None = None
    launch: str | None = None
    ref: str | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.ref or self.host or self.launch or ""


class AbOptions(LoadOptions, total=False):
    """The types of the options of an A/B comparison."""

    design: str | None
    rounds: int | str | None
    margin: float | str | None
    alpha: float | str | None
    restart: bool | None


class AbPlan(Record, extra="forbid"):
    """Two targets and the load that both get; `plan` has no target of its own."""

    baseline: AbTarget
    candidate: AbTarget
    plan: Plan
    design: Annotated[
        Design,
        Option("NAME", "duet: both loaded at once, half the users each. interleaved: in turns.", _parse_design),
    ] = "duet"
    looks: Annotated[
        tuple[Positive, ...],
        Field(min_length=1, max_length=100),
        Option(
            "N",
            f"Make just so many. Default: up to {LOOKS[-1]}, with looks at {', '.join(map(str, LOOKS))}.",
            _parse_rounds,
            name="rounds",
            default=None,
        ),
    ] = LOOKS
    """The numbers of rounds at which the two are compared; the last one is the most that are made."""
    margin: Annotated[Share, Option("SHARE", "The change that would not matter, e.g. 5% or 0.05.", parse_share)] = (
        MARGIN
    )
    alpha: Annotated[Share, Option("SHARE", "How often equal systems may be called a REGRESSION.", parse_share)] = ALPHA
    restart: Annotated[bool, Option("", "Start managed targets anew for each round.", lambda value, _: bool(value))] = (
        True
    )
    """Whether managed targets are started anew for each round, so that no round inherits another's luck."""

    @property
    def targets(self) -> tuple[AbTarget, AbTarget]:
        """The baseline and the candidate."""
        return self.baseline, self.candidate

    def side(self, target: AbTarget) -> Plan:
        """Return the plan of one side."""
        return self.plan.model_copy(update={"host": target.host, "launch": target.launch})


_OWN = declared(AbPlan)
_OF_ROUND = with_defaults({name: OPTIONS[name] for name in OPTIONS if name in LoadOptions.__annotations__}, ROUND)
# The variable names a sweep's target.
_OF_ROUND["launch"] = replace(_OF_ROUND["launch"], variable=None)
_HELP = {
    "users": "User counts of a round.",
    "duration": "Steady state of a round.",
    "label": "Goes into the comparison's id.",
    "launch": "The targets are git refs: start this in a checkout of each.",
}
AB_OPTIONS = {
    **{name: replace(option, help=_HELP.get(name, option.help)) for name, option in _OF_ROUND.items()},
    **_OWN,
}


def make_ab_plan(
    baseline: str, candidate: str, *, environment: Mapping[str, str], root: Path, **given: Unpack[AbOptions]
) -> AbPlan:
    """Return the plan of a comparison of `baseline` with `candidate`.

    Each is a URL or a command; with `launch` both are git refs, and it is the command that is started in a checkout of
    each. `rounds` fixes the number of rounds, otherwise there are looks at 5, 10, 15 and 20. Raises UsageError,
    TargetError and LocustfileError with the value and the way out.
    """
    own = {option.field: option.read(given, {}) for option in _OWN.values()}
    launch = AB_OPTIONS["launch"].read(given, {})
    sides = [_target(name, launch) for name in (baseline, candidate)]
    load: dict[str, Any] = {"repeats": 1, "expect_workers": 0, **ROUND}
    load |= {name: value for name, value in given.items() if name in _OF_ROUND and value is not None}
    plans = [
        make_plan(environment=environment, root=root, **{**load, "host": side.host, "launch": side.launch})
        for side in sides
    ]
    if own["design"] == "duet" and (odd := [level for level in plans[0].users if level % 2]):
        raise UsageError(
            f"--users {odd[0]} can't be split evenly: a duet takes an even number, half for each side",
            "--users",
            odd[0],
        )
    # The host as it was checked, without a slash at its end.
    checked = [side.model_copy(update={"host": plan.host}) for side, plan in zip(sides, plans, strict=True)]
    return AbPlan(
        baseline=checked[0],
        candidate=checked[1],
        plan=plans[0].model_copy(update={"host": None, "launch": None, "settle_s": SETTLE_S}),
        **{field: value for field, value in own.items() if value is not None},
    )


def check_again(ab: AbPlan, *, environment: Mapping[str, str], root: Path) -> AbPlan:
    """Return a plan that was read from a file as it may be run: made anew, by the rules for what somebody types.

    A file from elsewhere may name any host. Raises as `make_ab_plan`.
    """
    plan, targets = ab.plan, ab.targets
    refs = {target.launch for target in targets if target.ref is not None}
    if len(refs) > 1 or (refs and not all(target.ref for target in targets)):
        raise UsageError("the two targets are neither two refs of one command nor two of their own: begin a new one")
    again: dict[str, Any] = {name: getattr(plan, option.field) for name, option in _OF_ROUND.items()}
    again |= {option.field: getattr(ab, option.field) for option in _OWN.values() if option.name == option.field}
    again["launch"] = refs.pop() if refs else None
    baseline, candidate = (target.name for target in targets)
    made = make_ab_plan(baseline, candidate, environment=environment, root=root, **again)
    # What the error rates of the comparison depend on, and from where its paths start, stays as it was when it began.
    kept = {name: getattr(plan, name) for name in ("settle_s", "timeout_s", "folder", "launch_folder")}
    return made.model_copy(update={"looks": ab.looks, "plan": made.plan.model_copy(update=kept)})


def _target(name: str, launch: str | None) -> AbTarget:
    if not name.strip():
        raise UsageError("a target is empty: give a URL, a command, or with --launch CMD a git ref")
    host, command = split_target(name)
    if launch is None and command is not None and "{port}" not in command:
        raise UsageError(
            f"{redact(name)!r} is neither a URL nor a command with {{port}} in it: to compare git refs give "
            f"--launch CMD too, which is started in a checkout of each",
            value=redact(name),
        )
    if launch is None:
        return AbTarget(host=host, launch=command)
    if host is not None:
        raise UsageError(
            f"{name!r} is a URL, but with --launch both targets are git refs: leave --launch out",
            "--launch",
            redact(launch),
        )
    return AbTarget(launch=launch, ref=name)
