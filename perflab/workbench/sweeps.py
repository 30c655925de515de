"""Sweeps: run one, open one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Unpack

from perflab.analyse.sweep import Sweep
from perflab.calibration.warning import warn_of
from perflab.drive.locust import warn_of_settings
from perflab.errors import StoreError, TargetError
from perflab.plan.hosts import split_target, with_allowed
from perflab.plan.objectives import Objectives, choose_objectives
from perflab.plan.options import named
from perflab.plan.parse import parse_names
from perflab.plan.plan import OPTIONS, Plan, PlanOptions, make_plan
from perflab.plan.settings import load_environment, project_root
from perflab.plan.variables import say_unknown, unknown_variables
from perflab.progress import Style, SweepLog, show_progress, together
from perflab.store import layout
from perflab.store.manifest import SweepManifest, read_manifest, write_manifest
from perflab.vocabulary.redact import redact
from perflab.vocabulary.text import say
from perflab.workbench import saving
from perflab.workbench.listing import runs_folder


@named(OPTIONS, PlanOptions)
def sweep(
    target: str | None = None,
    *,
    objectives: str | Path | None = None,
    runs_dir: str | Path | None = None,
    allow_hosts: str | Iterable[str] = (),
    progress: Style = "auto",
    save: bool = True,
    report: bool = True,
    **options: Unpack[PlanOptions],
) -> Sweep:
    """Run a sweep, save its results as ``perflab sweep`` does, and return them.

    `target` is a URL, or a command that perflab starts (``{port}`` in it becomes a free port); `host` and `launch` say
    the same one by one. `duration` is in seconds, or a text such as "5m"; `spawn_rate` is in users per second.
    `objectives` is a file of limits, by default ``objectives.toml`` beside the locustfile; `runs_dir` is where the
    sweep is recorded, by default ``LOAD_TEST_RUNS_DIR``, or the project's ``runs/``; `allow_hosts` names hosts other
    than this machine that may be loaded. `progress` chooses how it is shown, "none" for not at all. What is not given,
    or None, comes from ``LOAD_TEST_*`` variables, the env files, then the defaults.

    ``metrics.json``, ``junit.xml``, ``summary.md`` and, with `report`, ``report.html`` are written into ``sweep.dir``.
    Without `save` they are not: `perflab.save` does it later. Raises UsageError, TargetError and LocustfileError before
    anything is written.

        perflab.sweep("http://localhost:8000", locustfile="locustfile.py", users=[50, 100], duration="30s")
    """
    from perflab.drive.sweep import run_sweep

    root = project_root()
    environment = with_allowed(load_environment(root), parse_names(allow_hosts))
    if target is not None:
        options["host"], launch = split_target(str(target))
        if launch is not None and "{port}" not in launch:
            raise TargetError(
                f"target {redact(launch)!r} is neither a URL, such as http://localhost:8000, nor a command with "
                f"{{port}} where it takes its port"
            )
        options["launch"] = launch
    plan = make_plan(environment=environment, root=root, **options)
    limits = choose_objectives(objectives, plan.locustfile, environment)
    if progress != "none":
        warn_of_environment(environment, plan, limits)
        # Workers on other machines offer what those can.
        if not plan.expect_workers and (warning := warn_of(plan, runs_folder(runs_dir))):
            say(f"warning: {warning}")
    with SweepLog() as log:
        with show_progress(progress) as show:
            done = run_sweep(
                plan,
                limits,
                runs_dir=runs_folder(runs_dir),
                environment=environment,
                root=root,
                listen=together(log, show),
            )
        result = Sweep.open(done)
        log.finished(result.manifest.status)
        result.manifest = result.manifest.model_copy(update={"verdict": result.verdict})
        write_manifest(done.manifest, result.manifest)
        for run, manifest, window in zip(done.runs(), result.run_manifests, result.windows, strict=True):
            write_manifest(run.manifest, manifest.model_copy(update={"judged": window}))
        log.judged(result.verdict, result.reasons, result.notes)
    if save:
        saving.save(result, report=report)
    return result


def warn_of_environment(environment: Mapping[str, str], plan: Plan, objectives: Objectives) -> None:
    """Write to stderr which settings are not in force: those that nobody knows, and those of plain Locust."""
    if unknown := unknown_variables(environment, [plan.locustfile.parent, project_root()], objectives):
        say(f"warning: {say_unknown(unknown)}")
    if settings := warn_of_settings(environment, plan.folder):
        say(f"warning: {settings}")


def open_sweep(sweep_id: str = "latest", runs_dir: str | Path | None = None, *, complete: bool = False) -> Sweep:
    """Open a recorded sweep: `sweep_id` is its id, a unique beginning of it, or ``latest``.

    ``latest`` is the newest one, whatever became of it, or with `complete` the newest that was run to its end. The
    sides of an A/B comparison are ``<its id>/baseline`` and ``<its id>/candidate``. `runs_dir` is where it was
    recorded, by default ``LOAD_TEST_RUNS_DIR``, or the project's ``runs/``. Raises StoreError for one that isn't there
    or can't be read.

        perflab.open_sweep("latest").groups
    """
    folder, sweep_id = runs_folder(runs_dir), str(sweep_id)
    if complete and sweep_id == "latest" and (sweeps := layout.list_sweeps(folder)):
        return Sweep.open(_latest_complete(sweeps))
    return Sweep.open(layout.find_sweep(folder, sweep_id))


def _latest_complete(sweeps: Sequence[layout.SweepDir]) -> layout.SweepDir:
    for sweep in reversed(sweeps):
        # A damaged sweep must not hide the others.
        with contextlib.suppress(StoreError):
            if read_manifest(sweep.manifest, SweepManifest).status == "complete":
                return sweep
    raise StoreError(
        f"no sweep under {str(sweeps[-1].runs_dir)!r} was run to its end, so none is the latest complete one: "
        f"run one with perflab sweep, or name a sweep (perflab list shows all)",
        sweeps[-1].runs_dir,
    )
