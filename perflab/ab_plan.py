"""What an A/B comparison is to do: two targets, how they are loaded against each other, and when it may stop.

Everything that its error rates depend on is set here, before the first round.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from perflab.errors import UsageError
from perflab.plan import Plan, UsersLike, make_plan, split_target

Design: TypeAlias = Literal["duet", "interleaved"]
DESIGNS: tuple[Design, ...] = ("duet", "interleaved")

# The numbers of rounds at which the two are compared, until there is a verdict.
LOOKS = (5, 10, 15, 20)
MARGIN, ALPHA = 0.05, 0.01
# A round's load and length: `python -m benchmarks.comparison_real` shows what they are good for.
USERS, DURATION_S, SPAWN_RATE, SETTLE_S = 250, 15.0, 250.0, 3.0


class AbTarget(BaseModel):
    """One of the two: a URL, a command that perflab starts, or the command of both at a git ref."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = None
    launch: str | None = None
    ref: str | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.ref or self.host or self.launch or ""


class AbPlan(BaseModel):
    """Two targets and the load that both get; `plan` has no target of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline: AbTarget
    candidate: AbTarget
    plan: Plan
    design: Design = "duet"
    looks: tuple[int, ...] = LOOKS
    """The numbers of rounds at which the two are compared; the last one is the most that are made."""
    margin: float = MARGIN
    alpha: float = ALPHA
    restart: bool = True
    """Whether managed targets are started anew for each round, so that no round inherits another's luck."""

    def side(self, target: AbTarget) -> Plan:
        """Return the plan of one side."""
        return self.plan.model_copy(update={"host": target.host, "launch": target.launch})


def make_ab_plan(
    baseline: str,
    candidate: str,
    *,
    environment: Mapping[str, str],
    root: Path,
    launch: str | None = None,
    health: str | None = None,
    locustfile: str | Path | None = None,
    design: str = "duet",
    users: UsersLike | None = None,
    spawn_rate: float | str | None = None,
    duration: float | str | None = None,
    rounds: int | None = None,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    seed: int | str | None = None,
    processes: int | str | None = None,
    restart: bool = True,
    label: str | None = None,
) -> AbPlan:
    """Return the plan of a comparison of `baseline` with `candidate`.

    Each is a URL or a command; with `launch` both are git refs, and it is the command that is started in a checkout of
    each. Load and length of a round don't come from ``LOAD_TEST_*`` variables, which are made for sweeps. `rounds`
    fixes the number of rounds, otherwise there are looks at 5, 10, 15 and 20. Raises UsageError, TargetError and
    LocustfileError with the value and the way out.
    """
    if design not in DESIGNS:
        raise UsageError(f"--design {design!r} is not known: it is {' or '.join(DESIGNS)}")
    if rounds is not None and rounds < 2:
        raise UsageError(f"--rounds {rounds}: it takes at least 2 rounds to tell a change from noise, 5 to be of use")
    sides = [_target(name, launch) for name in (baseline, candidate)]
    plans = [
        make_plan(
            environment=environment,
            root=root,
            host=side.host,
            launch=side.launch,
            health=health,
            locustfile=locustfile,
            users=users if users is not None else USERS,
            spawn_rate=spawn_rate if spawn_rate is not None else SPAWN_RATE,
            duration=duration if duration is not None else DURATION_S,
            repeats=1,
            seed=seed,
            processes=processes,
            expect_workers=0,
            label=label or "ab",
        )
        for side in sides
    ]
    if design == "duet" and (odd := [level for level in plans[0].users if level % 2]):
        raise UsageError(f"--users {odd[0]} can't be split evenly: a duet takes an even number, half for each side")
    # The host as it was checked, without a slash at its end.
    checked = [side.model_copy(update={"host": plan.host}) for side, plan in zip(sides, plans, strict=True)]
    return AbPlan(
        baseline=checked[0],
        candidate=checked[1],
        plan=plans[0].model_copy(update={"host": None, "launch": None, "settle_s": SETTLE_S}),
        design="duet" if design == "duet" else "interleaved",
        looks=LOOKS if rounds is None else (rounds,),
        margin=margin,
        alpha=alpha,
        restart=restart,
    )


def _target(name: str, launch: str | None) -> AbTarget:
    if not name.strip():
        raise UsageError("a target is empty: give a URL, a command, or with --launch CMD a git ref")
    host, command = split_target(name)
    if launch is None:
        return AbTarget(host=host, launch=command)
    if host is not None:
        raise UsageError(f"{name!r} is a URL, but with --launch both targets are git refs: leave --launch out")
    return AbTarget(launch=launch, ref=name)
