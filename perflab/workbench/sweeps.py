"""Sweeps: run one, open one, list them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from perflab.analyse.sweep import Sweep
from perflab.calibrate.warning import warn_of
from perflab.drive.locust import warn_of_settings
from perflab.errors import StoreError, TargetError
from perflab.plan.hosts import allowing
from perflab.plan.objectives import Objectives, choose_objectives
from perflab.plan.plan import Plan, UsersLike, check_path, make_plan, split_target
from perflab.plan.settings import load_environment, project_root
from perflab.plan.variables import say_unknown, unknown_variables
from perflab.progress import Style, SweepLog, show_progress, together
from perflab.store import layout
from perflab.store.manifest import SweepManifest, read_manifest, write_manifest
from perflab.vocabulary.redact import redact
from perflab.vocabulary.text import say
from perflab.workbench import given, saving

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    target: str | None = None,
    *,
    host: str | None = None,
    launch: str | None = None,
    health: str | None = None,
    locustfile: str | Path | None = None,
    objectives: str | Path | None = None,
    users: UsersLike | None = None,
    spawn_rate: float | str | None = None,
    duration: float | str | None = None,
    repeats: int | str | None = None,
    seed: int | str | None = None,
    processes: int | str | None = None,
    expect_workers: int | str | None = None,
    master_bind: str | None = None,
    locust_options: str | Sequence[str] | None = None,
    label: str | None = None,
    runs_dir: str | Path | None = None,
    allow_hosts: Iterable[str] = (),
    progress: Style = "auto",
    save: bool = True,
    report: bool = True,
) -> Sweep:
    """Run a sweep, save its results as ``perflab sweep`` does, and return them.

    `target` is a URL, or a command that perflab starts (``{port}`` in it becomes a free port); `host` and `launch`
    say the same one by one. `duration` is the steady state ("30s" or seconds), ramp-up comes on top; `spawn_rate` is
    in users per second; `locust_options` go to Locust as they are: tags, user classes, the locustfile's own options
    (``"--tags checkout"``). What is not given comes from ``LOAD_TEST_*`` variables, the env files, then the defaults.
    `report` says whether ``report.html`` is written too; without `save` nothing is but the recordings: `perflab.save`
    does it later. Raises UsageError, TargetError and LocustfileError before anything is written.

        perflab.sweep("http://localhost:8000", locustfile="locustfile.py", users=[50, 100], duration="30s")
    """
    from perflab.drive.sweep import run_sweep

    root = project_root()
    environment = allowing(load_environment(root), given.names(allow_hosts))
    if target is not None:
        host, launch = split_target(str(target))
        if launch is not None and "{port}" not in launch:
            raise TargetError(
                f"target {redact(launch)!r} is neither a URL, such as http://localhost:8000, nor a command with "
                f"{{port}} where it takes its port"
            )
    plan = make_plan(
        environment=environment,
        root=root,
        host=given.text(host),
        launch=given.text(launch),
        health=given.text(health),
        locustfile=given.path(locustfile),
        users=users,
        spawn_rate=spawn_rate,
        duration=duration,
        repeats=repeats,
        seed=seed,
        processes=processes,
        expect_workers=expect_workers,
        master_bind=given.text(master_bind),
        locust_options=locust_options,
        label=given.text(label),
    )
    limits = choose_objectives(given.path(objectives), plan.locustfile, environment)
    if progress != "none":
        warn_of_environment(environment, plan, limits)
        # Workers on other machines offer what those can.
        if not plan.expect_workers and (warning := warn_of(plan, runs_folder(runs_dir))):
            say(warning)
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
        say(settings)


def open_sweep(sweep_id: str = "latest", runs_dir: str | Path | None = None, *, complete: bool = False) -> Sweep:
    """Open a recorded sweep by its id, a unique beginning of it, or ``latest``; raises StoreError.

    ``latest`` is the newest one, whatever became of it, or with `complete` the newest that was run to its end. The
    sides of an A/B comparison are ``<its id>/baseline`` and ``<its id>/candidate``.
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
        f"run one with perflab sweep, or name a sweep (perflab list shows all)"
    )


def list_sweeps(runs_dir: str | Path | None = None) -> pd.DataFrame:
    """Return a row a sweep, oldest first: id, created, host, users, runs, status, verdict.

    The host of a target that perflab started is the command.

    A sweep whose manifest can't be read is listed with the status ``damaged``.
    """
    import pandas as pd

    rows = []
    for found in layout.list_sweeps(runs_folder(runs_dir)):
        row: dict[str, object] = {"id": found.id, "runs": len(found.runs())}
        try:
            manifest = read_manifest(found.manifest, SweepManifest)
        except StoreError:
            row["status"] = "damaged"
        else:
            row |= {
                "created": manifest.created,
                "host": manifest.plan.launch if manifest.target.managed else manifest.target.host,
                "users": ", ".join(str(users) for users in manifest.plan.users),
                "status": manifest.status,
                "verdict": manifest.verdict,
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=["id", "created", "host", "users", "runs", "status", "verdict"])


def runs_folder(runs_dir: str | Path | None) -> Path:
    """Return where sweeps lie, as an absolute path.

    That is `runs_dir` from here if given, else ``LOAD_TEST_RUNS_DIR`` from the project's root, else its ``runs/``.
    """
    if runs_dir is not None:
        return check_path(Path(str(runs_dir)).absolute())
    root = project_root()
    return check_path(root / load_environment(root).get("LOAD_TEST_RUNS_DIR", "runs"))
