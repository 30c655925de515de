"""What an A/B comparison is to do: two targets, how they are loaded against each other, and when it may stop.

Everything that its error rates depend on is set here, before the first round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from perflab.errors import UsageError
from perflab.fields import Positive, Record, Share
from perflab.plan.plan import Plan, UsersLike, make_plan, split_target
from perflab.vocabulary.redact import redact

Design: TypeAlias = Literal["duet", "interleaved"]
DESIGNS: tuple[Design, ...] = ("duet", "interleaved")

# The numbers of rounds at which the two are compared, until there is a verdict.
LOOKS = (5, 10, 15, 20)
MARGIN, ALPHA = 0.05, 0.01
# A round's load and length: `python -m benchmarks.comparison_real` shows what they are good for.
USERS, DURATION_S, SPAWN_RATE, SETTLE_S = 250, 15.0, 250.0, 3.0


class AbTarget(Record, extra="forbid"):
    """One of the two: a URL, a command that perflab starts, or the command of both at a git ref."""

    host: str | None = None
    launch: str | None = None
    ref: str | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.ref or self.host or self.launch or ""


class AbPlan(Record, extra="forbid"):
    """Two targets and the load that both get; `plan` has no target of its own."""

    baseline: AbTarget
    candidate: AbTarget
    plan: Plan
    design: Design = "duet"
    looks: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=100)] = LOOKS
    """The numbers of rounds at which the two are compared; the last one is the most that are made."""
    margin: Share = MARGIN
    alpha: Share = ALPHA
    restart: bool = True
    """Whether managed targets are started anew for each round, so that no round inherits another's luck."""

    @property
    def targets(self) -> tuple[AbTarget, AbTarget]:
        """The baseline and the candidate."""
        return self.baseline, self.candidate

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
    locust_options: str | Sequence[str] | None = None,
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
            locust_options=locust_options,
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


def check_again(ab: AbPlan, *, environment: Mapping[str, str], root: Path) -> AbPlan:
    """Return a plan that was read from a file as it may be run: made anew, by the rules for what somebody types.

    A file from elsewhere may name any host. Raises as `make_ab_plan`.
    """
    plan, targets = ab.plan, ab.targets
    refs = {target.launch for target in targets if target.ref is not None}
    if len(refs) > 1 or (refs and not all(target.ref for target in targets)):
        raise UsageError("the two targets are neither two refs of one command nor two of their own: begin a new one")
    baseline, candidate = (target.name for target in targets)
    made = make_ab_plan(
        baseline,
        candidate,
        environment=environment,
        root=root,
        launch=refs.pop() if refs else None,
        health=plan.health,
        locustfile=plan.locustfile,
        design=ab.design,
        users=plan.users,
        spawn_rate=plan.spawn_rate,
        duration=plan.duration_s,
        margin=ab.margin,
        alpha=ab.alpha,
        seed=plan.seed,
        processes=plan.processes,
        locust_options=plan.locust_options,
        restart=ab.restart,
        label=plan.label,
    )
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
            f"--launch CMD too, which is started in a checkout of each"
        )
    if launch is None:
        return AbTarget(host=host, launch=command)
    if host is not None:
        raise UsageError(f"{name!r} is a URL, but with --launch both targets are git refs: leave --launch out")
    return AbTarget(launch=launch, ref=name)
