"""The rounds of an A/B comparison: each loads both targets, at the same time or one after the other."""

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
from perflab.store.layout import SIDES, AbDir, create_ab
from perflab.store.manifest import AbManifest, Environment, SweepManifest, read_manifest, write_manifest
from perflab.store.scratch import hold
from perflab.vocabulary.redact import redact

GoOn = Callable[[AbDir, int], bool]


@dataclass(frozen=True, slots=True)
class _Side:
    """The baseline or the candidate: its plan, the folder in which its targets are started, and its git commit."""

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
    """Run rounds as long as `go_on` returns True, and return the comparison's folder.

    `begun` is called once the folder exists, `go_on` before each further round with the number of rounds so far.
    Nothing is left under `runs_dir` unless the first round could start. A round that an exception interrupts stays on
    disk as interrupted; `resumed` is the folder of a comparison to continue with the next round. Losing a target that
    is not restarted for each round ends the comparison; its status is then failed, unless there has been a look.

    Raises UsageError, LocustfileError and TargetError.
    """
    check_ports(ab.plan, environment)
    with (
        check_locustfile(
            ab.plan.locustfile, environment, ab.plan.folder, ab.plan.levels, ab.plan.locust_options
        ) as finish_check,
        _open_sides(ab, root) as sides,
        contextlib.ExitStack() as whole_run,
    ):
        finish_check()
        targets = None if ab.restart else whole_run.enter_context(_open_targets(sides, environment, 0))
        ab_dir, number = resumed, 0
        if ab_dir is not None:
            whole_run.enter_context(hold(ab_dir.path))
            number = max((run.repeat for sweep in ab_dir.sides for run in sweep.runs()), default=0)
        while ab_dir is None or go_on(ab_dir, number):
            number += 1
            with contextlib.ExitStack() as one_round:
                round_targets = targets or one_round.enter_context(_open_targets(sides, environment, number))
                if ab_dir is None:
                    ab_dir = _create_ab_dir(ab, objectives, sides, round_targets, runs_dir, environment, root)
                    whole_run.enter_context(hold(ab_dir.path))
                    begun(ab_dir)
                lost = _make_round(ab, ab_dir, sides, round_targets, number, objectives, environment, listen)
            if lost and not (ab.restart and all(side.plan.launch for side in sides)):
                # Without both targets there is nothing left to compare.
                manifest = read_manifest(ab_dir.manifest, AbManifest)
                if not manifest.rounds:
                    write_manifest(ab_dir.manifest, manifest.model_copy(update={"status": "failed"}))
                break
        return ab_dir


@contextlib.contextmanager
def _open_sides(ab: AbPlan, root: Path) -> Iterator[Sequence[_Side]]:
    with contextlib.ExitStack() as stack:
        sides = []
        root_commit = git_commit(root)
        for target in (ab.baseline, ab.candidate):
            plan, commit = ab.side(target), root_commit
            folder = plan.launch_folder
            if target.ref is not None:
                checkout = stack.enter_context(open_checkout(target.ref, folder))
                folder, commit = checkout.folder, checkout.commit
            sides.append(_Side(plan, folder, commit))
        yield sides


@contextlib.contextmanager
def _open_targets(sides: Sequence[_Side], environment: Mapping[str, str], number: int) -> Iterator[list[Target]]:
    """Start both targets concurrently, the candidate first in odd rounds, and yield them once both are ready."""
    order = list(range(len(sides)))[:: -1 if number % 2 else 1]
    with contextlib.ExitStack() as stack:
        starting = {
            index: stack.enter_context(start_target(sides[index].plan, environment, sides[index].folder))
            for index in order
        }
        yield [starting[index]() for index in range(len(sides))]


def _create_ab_dir(
    ab: AbPlan,
    objectives: Objectives,
    sides: Sequence[_Side],
    targets: Sequence[Target],
    runs_dir: Path,
    environment: Mapping[str, str],
    root: Path,
) -> AbDir:
    # Before the folder is made: git may take seconds, and Ctrl-C must not leave a folder without a manifest.
    run_environment = fingerprint(environment, root)
    ab_dir = create_ab(runs_dir, ab.plan.label)
    for name, sweep, side, target in zip(SIDES, ab_dir.sides, sides, targets, strict=True):
        side_environment: Environment = {**run_environment, "git_commit": side.commit}
        manifest = sweep_manifest(sweep, f"{ab.plan.label}-{name}", side.plan, objectives, target, side_environment)
        write_manifest(sweep.manifest, manifest)
    write_manifest(
        ab_dir.manifest,
        AbManifest(
            id=ab_dir.id,
            label=ab.plan.label,
            created=datetime.now(UTC),
            ab=_without_secrets(ab),
            environment=run_environment,
        ),
    )
    return ab_dir


def _without_secrets(ab: AbPlan) -> AbPlan:
    """Return the plan without secrets, as it may be written to a file."""
    sides = {
        name: target.model_copy(update={"launch": redact(target.launch) if target.launch else None})
        for name, target in zip(SIDES, (ab.baseline, ab.candidate), strict=True)
    }
    return ab.model_copy(update={**sides, "plan": ab.plan.without_secrets()})


def _make_round(
    ab: AbPlan,
    ab_dir: AbDir,
    sides: Sequence[_Side],
    targets: Sequence[Target],
    number: int,
    objectives: Objectives,
    environment: Mapping[str, str],
    listen: Listener,
) -> bool:
    """Load both sides at each level until a target is lost; return whether one was."""
    plan = ab.plan
    lost = False
    # An unusable round is made up for by another one, so there may be more rounds than planned.
    runs = max(ab.looks[-1], number) * len(plan.levels)
    for run_number, level in enumerate(plan.levels, start=(number - 1) * len(plan.levels) + 1):
        lanes = [
            lane_of(sweep, level, number, side.plan, target, side.commit)
            for sweep, side, target in zip(ab_dir.sides, sides, targets, strict=True)
        ]
        # In random order, so that no side benefits from always being first or last.
        random.Random(f"{plan.seed}-{number}-{level.name}").shuffle(lanes)
        remaining_s = max(0, runs - run_number) * (plan.run_time_s(level) + OVERHEAD_PER_RUN_S)
        for simultaneous in [lanes] if ab.design == "duet" else [[lane] for lane in lanes]:
            manifests = make_run(simultaneous, run_number, runs, remaining_s, environment, listen, objectives)
            lost = lost or any(manifest.evidence.target_lost for manifest in manifests)
        if lost:
            break
    for sweep in ab_dir.sides:
        manifest = read_manifest(sweep.manifest, SweepManifest)
        made = manifest.plan.model_copy(update={"repeats": number})
        write_manifest(sweep.manifest, manifest.model_copy(update={"plan": made, "status": "complete"}))
    return lost
