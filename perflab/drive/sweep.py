"""A sweep: the runs of one plan, one after the other, against one target."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from perflab.drive.events import Listener, RunFinished, RunStarted, SweepStarted, progress_watcher
from perflab.drive.fingerprint import fingerprint, versions
from perflab.drive.locust import check_locustfile, check_ports
from perflab.drive.run import Lane, execute_run
from perflab.drive.target import Target, open_target
from perflab.plan.objectives import Objectives
from perflab.plan.plan import Plan
from perflab.store.layout import SweepDir, create_sweep
from perflab.store.manifest import Environment, RunManifest, SweepManifest, TargetInfo, write_manifest
from perflab.store.scratch import hold
from perflab.vocabulary.level import Level

# Starting Locust, waiting for last requests and writing Locust's own files take about this long beside the plan.
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
    before anything is written; a KeyboardInterrupt is passed on once the current run has been kept as interrupted.
    """
    check_ports(plan, environment)
    with (
        check_locustfile(plan.locustfile, environment, plan.folder, plan.levels, plan.locust_options) as finish_check,
        open_target(plan, environment, plan.launch_folder) as target,
        contextlib.ExitStack() as held,
    ):
        finish_check()
        # Git may take seconds, and a Ctrl-C in them must not leave a folder without a manifest.
        about = fingerprint(environment, root)
        sweep = create_sweep(runs_dir, plan.label)
        held.enter_context(hold(sweep.path))
        manifest = sweep_manifest(sweep, plan.label, plan, objectives, target, about)
        write_manifest(sweep.manifest, manifest)
        listen(SweepStarted(sweep, plan, target.host))
        # All levels in turn rather than all repeats of a level, so that slow drifts of the machine affect all levels.
        runs = [(level, repeat) for repeat in range(1, plan.repeats + 1) for level in plan.levels]
        for number, (level, repeat) in enumerate(runs, start=1):
            lane = lane_of(sweep, level, repeat, plan, target, about["git_commit"])
            later_s = sum(plan.run_time_s(later) + OVERHEAD_PER_RUN_S for later, _ in runs[number:])
            [done] = make_run([lane], number, len(runs), later_s, environment, listen, objectives)
            if done.status != "complete" or done.evidence.target_lost:
                write_manifest(sweep.manifest, manifest.model_copy(update={"status": "failed"}))
                return sweep
        write_manifest(sweep.manifest, manifest.model_copy(update={"status": "complete"}))
        return sweep


def sweep_manifest(
    sweep: SweepDir, label: str, plan: Plan, objectives: Objectives, target: Target, about: Environment
) -> SweepManifest:
    """Return the manifest of a sweep that begins now in the environment `about`."""
    return SweepManifest(
        id=sweep.id,
        label=label,
        created=datetime.now(UTC),
        plan=plan.without_secrets(),
        objectives=objectives,
        target=TargetInfo(host=target.host, managed=target.child is not None),
        environment=about,
    )


def lane_of(sweep: SweepDir, level: Level, repeat: int, plan: Plan, target: Target, commit: str | None) -> Lane:
    """Return a run of a sweep that is to be made from the code of `commit`."""
    manifest = RunManifest(
        sweep_id=sweep.id,
        level=level,
        repeat=repeat,
        plan=plan.without_secrets(),
        seed=plan.seed,
        versions=versions(),
        git_commit=commit,
    )
    return Lane(sweep.run(level, repeat), manifest, target, plan)


def make_run(
    lanes: Sequence[Lane],
    number: int,
    runs: int,
    later_s: float,
    environment: Mapping[str, str],
    listen: Listener,
    objectives: Objectives,
) -> list[RunManifest]:
    """Execute a run, the `number`-th of `runs`, and report it to `listen`; the sweep goes on for `later_s` after it."""
    first = lanes[0]
    listen(RunStarted(first.run, first.manifest.level, first.manifest.repeat, number, runs))
    watcher = progress_watcher(first.run, first.plan, first.manifest.level, later_s, listen)
    limits_ms = sorted({latency for limit in objectives.limits for latency in limit.latencies_ms})
    done = execute_run(lanes, environment, watcher, limits_ms)
    # Of several runs the worse one is reported, with the requests of all.
    worse = min(done, key=lambda manifest: manifest.status == "complete")
    requests = sum(manifest.evidence.requests_recorded for manifest in done)
    evidence = worse.evidence.model_copy(update={"requests_recorded": requests})
    listen(RunFinished(first.run, worse.model_copy(update={"evidence": evidence})))
    return done
