"""An A/B comparison: rounds in which both targets are loaded, side by side or in turn."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from perflab.drive.events import Listener
from perflab.drive.fingerprint import fingerprint
from perflab.drive.git import git_commit, open_checkout
from perflab.drive.locust import check_locustfile, check_ports
from perflab.drive.sweep import OVERHEAD_PER_RUN_S, lane_of, make_run, sweep_manifest
from perflab.drive.target import Target, start_target
from perflab.plan.ab import AbPlan
from perflab.plan.objectives import Objectives
from perflab.plan.plan import Plan
from perflab.store.layout import SIDES, AbDir, SweepDir, create_ab
from perflab.store.manifest import AbManifest, Environment, SweepManifest, read_manifest, write_manifest
from perflab.store.scratch import hold
from perflab.vocabulary.redact import redact

GoOn = Callable[[AbDir, int], bool]


@dataclass(frozen=True, slots=True)
class _Side:
    """The baseline or the candidate: the plan and folder from which its targets are started, and its commit."""

    plan: Plan
    folder: Path
    commit: str | None


def run_ab(
    ab: AbPlan,
    objectives: Objectives,
    *,
    runs_dir: Path,
    resumed: AbDir | None,
    environment: Mapping[str, str],
    root: Path,
    listen: Listener,
    begun: Callable[[AbDir], None],
    go_on: GoOn,
) -> AbDir:
    """Make rounds as long as `go_on` wants another one, and return the comparison's folder.

    `go_on` is called before each round with the number of rounds so far. Nothing is left under `runs_dir` unless a
    first round could start. Raises UsageError, LocustfileError and TargetError; a round cut short by an exception stays
    on disk as interrupted, and `resumed` continues after it. A lost target that isn't restarted for each round ends the
    comparison, which has failed unless there was a look before.
    """
    check_ports(ab.plan, environment)
    with (
        check_locustfile(
            ab.plan.locustfile, environment, ab.plan.folder, ab.plan.users, ab.plan.locust_options
        ) as finish_check,
        _open_sides(ab, root) as sides,
        contextlib.ExitStack() as kept,
    ):
        finish_check()
        targets = None if ab.restart else kept.enter_context(_open_targets(sides, environment, 0))
        place = resumed
        if place is not None:
            kept.enter_context(hold(place.path))
        number = _last_round(resumed) if resumed is not None else 0
        while place is None or go_on(place, number):
            number += 1
            with contextlib.ExitStack() as of_round:
                loaded = targets or of_round.enter_context(_open_targets(sides, environment, number))
                if place is None:
                    place = _begin(ab, objectives, sides, loaded, runs_dir, environment, root)
                    kept.enter_context(hold(place.path))
                    begun(place)
                lost = _make_round(ab, place, sides, loaded, number, environment, listen)
            if lost and not (ab.restart and all(side.plan.launch for side in sides)):
                # There is nothing left to measure against.
                manifest = read_manifest(place.manifest, AbManifest)
                if not manifest.rounds:
                    write_manifest(place.manifest, manifest.model_copy(update={"status": "failed"}))
                break
        return place


@contextlib.contextmanager
def _open_sides(ab: AbPlan, root: Path) -> Iterator[Sequence[_Side]]:
    with contextlib.ExitStack() as stack:
        sides = []
        here = git_commit(root)
        for target in (ab.baseline, ab.candidate):
            plan, commit = ab.side(target), here
            folder = plan.launch_folder
            if target.ref is not None:
                checkout = stack.enter_context(open_checkout(target.ref, folder))
                folder, commit = checkout.folder, checkout.commit
            sides.append(_Side(plan, folder, commit))
        yield sides


@contextlib.contextmanager
def _open_targets(sides: Sequence[_Side], environment: Mapping[str, str], number: int) -> Iterator[list[Target]]:
    """Start both targets at the same time; in odd rounds the candidate goes first."""
    order = list(range(len(sides)))[:: -1 if number % 2 else 1]
    with contextlib.ExitStack() as stack:
        ready = {at: stack.enter_context(start_target(sides[at].plan, environment, sides[at].folder)) for at in order}
        yield [ready[at]() for at in range(len(sides))]


def _begin(
    ab: AbPlan,
    objectives: Objectives,
    sides: Sequence[_Side],
    targets: Sequence[Target],
    runs_dir: Path,
    environment: Mapping[str, str],
    root: Path,
) -> AbDir:
    # Git may take seconds, and a Ctrl-C in them must not leave a folder without a manifest.
    about = fingerprint(environment, root)
    place = create_ab(runs_dir, ab.plan.label)
    for name, sweep, side, target in zip(SIDES, place.sides, sides, targets, strict=True):
        about_side: Environment = {**about, "git_commit": side.commit}
        manifest = sweep_manifest(sweep, f"{ab.plan.label}-{name}", side.plan, objectives, target, about_side)
        write_manifest(sweep.manifest, manifest)
    write_manifest(
        place.manifest,
        AbManifest(
            id=place.id,
            label=ab.plan.label,
            created=datetime.now(UTC),
            ab=_without_secrets(ab),
            environment=about,
        ),
    )
    return place


def _without_secrets(ab: AbPlan) -> AbPlan:
    """Return the plan as it may be written to a file."""
    sides = {
        name: target.model_copy(update={"launch": redact(target.launch) if target.launch else None})
        for name, target in zip(SIDES, (ab.baseline, ab.candidate), strict=True)
    }
    return ab.model_copy(update={**sides, "plan": ab.plan.without_secrets()})


def _make_round(
    ab: AbPlan,
    place: AbDir,
    sides: Sequence[_Side],
    targets: Sequence[Target],
    number: int,
    environment: Mapping[str, str],
    listen: Listener,
) -> bool:
    """Load both sides at all levels, up to one at which a target is lost; return whether one was."""
    plan = ab.plan
    lost = False
    # A round that can't be used is repeated.
    runs = max(ab.looks[-1], number) * len(plan.users)
    for current, users in enumerate(plan.users, start=(number - 1) * len(plan.users) + 1):
        lanes = [
            lane_of(sweep, users, number, side.plan, target, side.commit)
            for sweep, side, target in zip(place.sides, sides, targets, strict=True)
        ]
        # In random order, or else the order would be part of the difference.
        random.Random(f"{plan.seed}-{number}-{users}").shuffle(lanes)
        later_s = max(0, runs - current) * (plan.run_time_s(users) + OVERHEAD_PER_RUN_S)
        for together in [lanes] if ab.design == "duet" else [[lane] for lane in lanes]:
            done = make_run(together, current, runs, later_s, environment, listen)
            lost = lost or any(manifest.evidence.target_lost for manifest in done)
        if lost:
            break
    for sweep in place.sides:
        _count_rounds(sweep, number)
    return lost


def _count_rounds(sweep: SweepDir, number: int) -> None:
    """Update a side's manifest, which is that of a sweep, with the number of rounds so far."""
    manifest = read_manifest(sweep.manifest, SweepManifest)
    plan = manifest.plan.model_copy(update={"repeats": number})
    write_manifest(sweep.manifest, manifest.model_copy(update={"plan": plan, "status": "complete"}))


def _last_round(place: AbDir) -> int:
    return max((run.repeat for sweep in place.sides for run in sweep.runs()), default=0)
