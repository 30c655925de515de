"""One run: Locust at one user count, watched until its end, and what it leaves in ``run.json``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from perflab.drive.child import Child
from perflab.drive.locust import RUN_TIME_SLACK_S, locust_environment, run_command
from perflab.drive.sampling import ProcessTree
from perflab.drive.tail import RunTail
from perflab.drive.target import Target
from perflab.redact import redact
from perflab.store.handover import Answer, Order, read_answers, remove_answers
from perflab.store.layout import RunDir
from perflab.store.manifest import Evidence, RunManifest, Status, Window, write_manifest
from perflab.store.tables import (
    FAILURE_COLUMNS,
    GENERATOR_COLUMNS,
    LATENCY_COLUMNS,
    TARGET_COLUMNS,
    TableWriter,
    create_table,
)

LOCUST_GRACE_S = 2.0
INTERRUPT_PATIENCE_S = 4.0

Watcher = Callable[[RunTail, Answer | None], None]


def execute_run(
    run: RunDir,
    manifest: RunManifest,
    target: Target,
    environment: Mapping[str, str],
    cwd: Path,
    watch: Watcher,
) -> RunManifest:
    """Run Locust once and return the final manifest, which is on disk too.

    `watch` is called about once a second. On any exception, Ctrl-C included, Locust is stopped, the run is kept as
    interrupted, and the exception goes on.
    """
    plan = manifest.plan
    run.path.mkdir()
    write_manifest(run.manifest, manifest)
    tables = [
        (run.latency, LATENCY_COLUMNS),
        (run.generator, GENERATOR_COLUMNS),
        (run.failures, FAILURE_COLUMNS),
    ]
    if target.child is not None:
        tables.append((run.target, TARGET_COLUMNS))
    for path, columns in tables:
        create_table(path, columns)
    order = Order(str(run.path), manifest.users, plan.settle_s, plan.duration_s)
    child_environment = locust_environment(
        environment,
        **order.to_variable(),
        LOAD_TEST_SEED=str(manifest.seed),
        LOAD_TEST_RUN_ID=f"{manifest.sweep_id}-{run.name}",
    )
    with run.locust_log.open("wb") as log:
        locust = Child(
            run_command(plan, manifest.users, target.host, run),
            environment=child_environment,
            cwd=cwd,
            output=log.fileno(),
            grace_s=LOCUST_GRACE_S,
        )
    status: Status = "interrupted"
    code: int | None = None
    try:
        code = _watch_to_end(run, manifest, locust, target, watch)
        status = "complete"
    finally:
        if code is None:
            code = locust.stop("INT", patience_s=INTERRUPT_PATIENCE_S)
        manifest = _close(run, manifest, status, code, target)
    return manifest


def _watch_to_end(run: RunDir, manifest: RunManifest, locust: Child, target: Target, watch: Watcher) -> int:
    plan = manifest.plan
    tail = RunTail(run)
    recorder = _TargetRecorder(run, target)
    # Locust ends by itself after --run-time and --stop-timeout; past that it hangs.
    latest_end = time.monotonic() + 3 * plan.run_time_s(manifest.users) + plan.timeout_s + 2 * RUN_TIME_SLACK_S
    due = time.monotonic()
    try:
        while True:
            due += 1.0
            code = locust.wait(max(0.05, due - time.monotonic()))
            tail.read()
            answer = _leading(read_answers(run.path))
            recorder.take(answer)
            watch(tail, answer)
            if code is not None:
                return code
            if time.monotonic() > latest_end:
                return locust.stop("KILL")
    finally:
        recorder.close()


class _TargetRecorder:
    """Writes ``target.csv`` once a second from the run's start on."""

    def __init__(self, run: RunDir, target: Target) -> None:
        self._tree = ProcessTree(target.child.pid) if target.child is not None else None
        self._table = TableWriter(run.target) if target.child is not None else None
        self._last = -1

    def take(self, answer: Answer | None) -> None:
        if self._tree is None or self._table is None:
            return
        use = self._tree.take()
        if answer is not None and answer.start is not None:
            second = int(time.time() - answer.start) - 1
            if second > self._last:
                self._last = second
                self._table.append([(second, f"{use.cpu_percent:.1f}", f"{use.rss_mb:.1f}")])

    def close(self) -> None:
        if self._table is not None:
            self._table.close()


def _leading(answers: list[Answer]) -> Answer | None:
    """Return the answer of the process that knows the window: the only one, or the master."""
    return next((answer for answer in answers if answer.source in {"local", "master"}), None)


def _close(run: RunDir, manifest: RunManifest, status: Status, code: int, target: Target) -> RunManifest:
    """Fold what the recorders tell into the manifest and write it."""
    answers = read_answers(run.path)
    leading = _leading(answers)
    error = next((answer.error for answer in answers if answer.error), None)
    if status == "complete" and (error or leading is None or leading.end is None or not leading.window_over):
        status = "failed"
        error = error or f"Locust ended with exit code {code} before the run was over: {_why(run, manifest, leading)}"
    window = None
    if leading is not None and leading.window_start is not None and leading.window_end is not None:
        window = Window(start=leading.window_start, end=leading.window_end)
    evidence = Evidence(
        users_reached=leading.users_reached if leading else 0,
        requests_recorded=sum(answer.requests_recorded for answer in answers),
        requests_finished=_sum_if_all(answer.requests_finished for answer in answers if answer.source != "master"),
        in_flight_at_end=sum(answer.in_flight_at_end for answer in answers) if leading and leading.end else None,
        task_exceptions=sum(answer.task_exceptions for answer in answers),
        locust_exit_code=code,
        target_lost=target.lost,
        error=error,
    )
    manifest = manifest.model_copy(
        update={
            "status": status,
            "start": datetime.fromtimestamp(leading.start, UTC) if leading and leading.start else None,
            "end": datetime.now(UTC),
            "window": window,
            "evidence": evidence,
        }
    )
    write_manifest(run.manifest, manifest)
    remove_answers(run.path)
    return manifest


def _why(run: RunDir, manifest: RunManifest, leading: Answer | None) -> str:
    if leading is None or leading.end is None:
        return redact(_last_line(run.locust_log))
    # It ended in order: somebody stopped it, perhaps the locustfile, or it never got to its users.
    return f"{leading.users_reached} of {manifest.users} users had been running"


def _sum_if_all(counts: Iterable[int | None]) -> int | None:
    """Return the sum, None if a count is missing or there is none at all."""
    known = list(counts)
    return sum(count for count in known if count is not None) if known and None not in known else None


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it printed nothing"
