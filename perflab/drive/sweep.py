"""A sweep: the runs of one plan, one after the other, against one target."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from perflab.drive.events import Listener, Progress, RunFinished, RunStarted, SweepStarted
from perflab.drive.fingerprint import git_commit, machine, variables, versions
from perflab.drive.locust import check_locustfile, check_ports
from perflab.drive.run import Lane, Watcher, execute_run
from perflab.drive.tail import RunTail
from perflab.drive.target import Target, open_target
from perflab.plan.objectives import Objectives
from perflab.plan.plan import Plan
from perflab.store.layout import RunDir, SweepDir, create_sweep
from perflab.store.manifest import RunManifest, SweepManifest, TargetInfo, write_manifest
from perflab.store.recorder_protocol import RunState
from perflab.store.scratch import hold

# Starting Locust, draining requests and writing Locust's own files take about this long beside the plan.
OVERHEAD_PER_RUN_S = 4.0


def run_sweep(
    plan: Plan,
    objectives: Objectives,
    *,
    runs_dir: Path,
    environment: Mapping[str, str],
    root: Path,
    listen: Listener,
) -> SweepDir:
    """Run the plan and return the sweep's folder. Nothing is left under `runs_dir` unless a first run could start.

    `root` is the project's folder, whose git commit is recorded. Raises UsageError, LocustfileError and TargetError
    before anything is written; a KeyboardInterrupt goes on after the current run has been kept as interrupted.
    """
    check_ports(plan, environment)
    with (
        check_locustfile(plan.locustfile, environment, plan.folder, plan.users, plan.locust_options) as finish_check,
        open_target(plan, environment, plan.launch_folder) as target,
        contextlib.ExitStack() as kept,
    ):
        finish_check()
        return _run_levels(plan, objectives, target, runs_dir, environment, root, listen, kept)


def _run_levels(
    plan: Plan,
    objectives: Objectives,
    target: Target,
    runs_dir: Path,
    environment: Mapping[str, str],
    root: Path,
    listen: Listener,
    kept: contextlib.ExitStack,
) -> SweepDir:
    # Asking git may take seconds: a Ctrl-C in them must find no folder without a manifest.
    found, commit, where = versions(), git_commit(root), machine()
    sweep = create_sweep(runs_dir, plan.label)
    kept.enter_context(hold(sweep.path))
    recorded = plan.without_secrets()
    manifest = SweepManifest(
        id=sweep.id,
        label=plan.label,
        created=datetime.now(UTC),
        plan=recorded,
        objectives=objectives,
        target=TargetInfo(host=target.host, managed=target.child is not None),
        environment={**where, "versions": found, "variables": variables(environment), "git_commit": commit},
    )
    write_manifest(sweep.manifest, manifest)
    listen(SweepStarted(sweep, plan, target.host))
    limits_ms = sorted({limit.limit for limit in objectives.limits if limit.percentile is not None})
    # Rounds over all levels rather than all repeats of a level: slow drifts of the machine then hit all levels.
    runs = [(users, repeat) for repeat in range(1, plan.repeats + 1) for users in plan.users]
    for number, (users, repeat) in enumerate(runs, start=1):
        run = sweep.run(users, repeat)
        listen(RunStarted(run, users, repeat, number, len(runs)))
        later = sum(plan.run_time_s(level) + OVERHEAD_PER_RUN_S for level, _ in runs[number:])
        begun = RunManifest(
            sweep_id=sweep.id,
            users=users,
            repeat=repeat,
            plan=recorded,
            seed=plan.seed,
            versions=found,
            git_commit=commit,
        )
        watcher = progress_watcher(run, plan, users, later, listen)
        [done] = execute_run([Lane(run, begun, target, plan)], environment, watcher, limits_ms)
        listen(RunFinished(run, done))
        if done.status != "complete" or done.evidence.target_lost:
            write_manifest(sweep.manifest, manifest.model_copy(update={"status": "failed"}))
            return sweep
    write_manifest(sweep.manifest, manifest.model_copy(update={"status": "complete"}))
    return sweep


def progress_watcher(run: RunDir, plan: Plan, users: int, later_s: float, listen: Listener) -> Watcher:
    """Return what tells `listen` how far a run has come; `later_s` is what comes after it, in seconds."""

    def watch(tail: RunTail, state: RunState | None) -> None:
        start = state.start if state else None
        elapsed = time.time() - start if start is not None else 0.0
        end = state.window_end if state and state.window_end else plan.run_time_s(users)
        window_start = state.window_start if state else None
        if start is None:
            phase = "starting"
        elif window_start is None:
            phase = "ramp-up"
        elif elapsed < window_start:
            phase = "settling"
        else:
            phase = "steady" if elapsed < end else "ending"
        rps, p95 = tail.recent()
        listen(
            Progress(
                run=run,
                users_wanted=users,
                users=tail.users,
                phase=phase,
                elapsed_s=elapsed,
                run_s=end,
                left_s=max(0.0, end - elapsed) + later_s,
                rps=rps,
                p95_ms=p95,
                requests=tail.requests,
                failures=tail.failures,
                points=tail.points(),
            )
        )

    return watch
