"""One run: Locust at one user count, watched until its end, and what it leaves in ``run.json``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from perflab.drive.child import Child
from perflab.drive.locust import RUN_TIME_SLACK_S, WORKERS_WAIT_S, locust_environment, run_command
from perflab.drive.sampling import ProcessTree
from perflab.drive.tail import RunTail
from perflab.drive.target import Target
from perflab.redact import redact
from perflab.store.handover import Answer, Order, SourceAccount, read_answer, remove_answer
from perflab.store.layout import RunDir
from perflab.store.manifest import Evidence, RunManifest, SourceEvidence, Status, Window, write_manifest
from perflab.store.tables import TableWriter, create_tables

LOCUST_GRACE_S = 2.0
INTERRUPT_PATIENCE_S = 4.0
# What Locust's master says when too few workers have come.
_GAVE_UP = "Gave up waiting for workers"

Watcher = Callable[[RunTail, Answer | None], None]


def execute_run(
    run: RunDir,
    manifest: RunManifest,
    target: Target,
    environment: Mapping[str, str],
    cwd: Path,
    watch: Watcher,
    limits_ms: Iterable[float] = (),
) -> RunManifest:
    """Run Locust once and return the final manifest, which is on disk too.

    `limits_ms` are the latencies that objectives allow, for the exporter's buckets.

    `watch` is called about once a second. On any exception, Ctrl-C included, Locust is stopped, the run is kept as
    interrupted, and the exception goes on.
    """
    plan = manifest.plan
    run.path.mkdir()
    write_manifest(run.manifest, manifest)
    create_tables(run.path, managed=target.child is not None)
    order = Order(str(run.path), manifest.users, plan.settle_s, plan.duration_s, tuple(limits_ms))
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
    waiting = WORKERS_WAIT_S if plan.expect_workers else 0
    latest_end = (
        time.monotonic() + waiting + 3 * plan.run_time_s(manifest.users) + plan.timeout_s + 2 * RUN_TIME_SLACK_S
    )
    due = time.monotonic()
    try:
        while True:
            due += 1.0
            code = locust.wait(max(0.05, due - time.monotonic()))
            tail.read()
            answer = read_answer(run.path)
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


def _close(run: RunDir, manifest: RunManifest, status: Status, code: int, target: Target) -> RunManifest:
    """Fold what the recorder tells into the manifest and write it."""
    answer = read_answer(run.path) or Answer()
    error = answer.error
    if status == "complete" and (error or answer.end is None or not answer.window_over):
        status = "failed"
        error = error or f"Locust ended with exit code {code} before the run was over: {_why(run, manifest, answer)}"
    window = None
    if answer.window_start is not None and answer.window_end is not None:
        window = Window(start=answer.window_start, end=answer.window_end)
    manifest = manifest.model_copy(
        update={
            "status": status,
            "start": datetime.fromtimestamp(answer.start, UTC) if answer.start is not None else None,
            "end": datetime.now(UTC),
            "window": window,
            "evidence": _evidence(answer, code, target, error),
        }
    )
    write_manifest(run.manifest, manifest)
    remove_answer(run.path)
    _redact_log(run.locust_log)
    return manifest


def _evidence(answer: Answer, code: int, target: Target, error: str | None) -> Evidence:
    accounts = answer.sources.values()
    return Evidence(
        users_reached=answer.users_reached,
        requests_recorded=sum(account.recorded for account in accounts),
        requests_finished=sum(account.finished for account in accounts) if accounts else None,
        locust_finished=sum(account.locust_finished for account in accounts) if accounts else None,
        locust_total=answer.locust_total,
        unanswered=sum(account.unanswered for account in accounts),
        unstamped=sum(account.unstamped for account in accounts),
        task_exceptions=sum(account.task_exceptions for account in accounts),
        clock_step_ms=max((account.clock_step_ms for account in accounts), default=0.0),
        sources={name: _source_evidence(account, answer) for name, account in sorted(answer.sources.items())},
        locust_exit_code=code,
        target_lost=target.lost,
        error=error,
    )


def _source_evidence(account: SourceAccount, answer: Answer) -> SourceEvidence:
    missing_s = 0.0
    if not account.complete and answer.window_end is not None:
        told = 0 if account.last_second is None else account.last_second + 1
        missing_s = max(0.0, answer.window_end - told)
    counts = {name: getattr(account, name) for name in SourceEvidence.model_fields if hasattr(account, name)}
    return SourceEvidence(**counts, lost=not account.complete, missing_s=missing_s)


def _why(run: RunDir, manifest: RunManifest, answer: Answer) -> str:
    if manifest.plan.expect_workers and answer.start is None and _GAVE_UP in _text(run.locust_log):
        plan = manifest.plan
        return f"fewer than {plan.expect_workers} workers came to {plan.master_bind} within {WORKERS_WAIT_S} s"
    if answer.end is None:
        return redact(_last_line(run.locust_log))
    # It ended in order: somebody stopped it, perhaps the locustfile, or it never got to its users.
    return f"{answer.users_reached} of {manifest.users} users had been running"


def _redact_log(log: Path) -> None:
    """Take out what a locustfile has printed before the recorder was there to do it."""
    text = _text(log)
    discreet = "\n".join(redact(line) for line in text.split("\n"))
    if discreet != text:
        beside = log.with_suffix(".redacted")
        beside.write_text(discreet, encoding="utf-8")
        beside.replace(log)


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _last_line(log: Path) -> str:
    lines = [line for line in _text(log).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it printed nothing"
