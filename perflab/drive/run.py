"""One run: Locust at one user count, watched until its end, and what it leaves in ``run.json``.

In a duet one Locust makes two runs at once, each against a target of its own.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from perflab.drive.child import Child
from perflab.drive.locust import RUN_TIME_SLACK_S, WORKERS_WAIT_S, locust_environment, run_command
from perflab.drive.output import DiscreetLog, last_line
from perflab.drive.sampling import ProcessTree
from perflab.drive.tail import RunTail
from perflab.drive.target import Target
from perflab.fields import first_problem
from perflab.plan.plan import Plan
from perflab.store.handover import Answer, Order, Side, SourceAccount, read_answer, remove_answer
from perflab.store.layout import RunDir
from perflab.store.manifest import Evidence, RunManifest, SourceEvidence, Status, write_manifest
from perflab.store.scratch import scratch_folder
from perflab.store.silence import Seen, find_silence
from perflab.store.tables import TableWriter, create_tables

LOCUST_GRACE_S = 2.0
INTERRUPT_PATIENCE_S = 4.0
# A source tells of a second when it is over, and is asked for the rest at the window's end: it may lack the last ones.
LAST_SECONDS = 2.0
# What Locust's master says when too few workers have come.
_GAVE_UP = "Gave up waiting for workers"
_PROGRESS = re.compile(r"^\[[^]]*\] \S+/(INFO|DEBUG)/locust")

Watcher = Callable[[RunTail, Answer | None], None]


@dataclass(frozen=True, slots=True)
class Lane:
    """A run to be made: its folder, its manifest at the beginning, its target, and its plan with the secrets in it."""

    run: RunDir
    manifest: RunManifest
    target: Target
    plan: Plan


def execute_run(
    lanes: Sequence[Lane],
    environment: Mapping[str, str],
    watch: Watcher,
    limits_ms: Iterable[float] = (),
) -> list[RunManifest]:
    """Run Locust once and return the final manifest of each lane, which is on disk too.

    With two lanes, half of the users load each of their targets; Locust's own files lie with the first run, and the
    plan is the first one's. Both lanes get the same seed and the same run id, so that their users do the same.
    `limits_ms` are the latencies that objectives allow, for the exporter's buckets.

    `watch` is called about once a second. On any exception, Ctrl-C included, Locust is stopped, the run is kept as
    interrupted, and the exception goes on.
    """
    first = lanes[0]
    run, manifest, plan = first.run, first.manifest, first.plan
    for lane in lanes:
        _begin(lane)
    sides = tuple(Side(str(lane.run.path), lane.target.host) for lane in lanes) if len(lanes) > 1 else ()
    order = Order(str(run.path), manifest.users, plan.settle_s, plan.duration_s, tuple(limits_ms), sides)
    child_environment = locust_environment(
        environment,
        **order.to_variable(),
        LOAD_TEST_SEED=str(manifest.seed),
        # It becomes part of names and addresses in the suite's data.
        LOAD_TEST_RUN_ID=f"{manifest.sweep_id}-{run.name}".replace("/", "-"),
    )
    log = DiscreetLog(run.locust_log)
    locust = Child(
        run_command(plan, manifest.users, first.target.host, run),
        environment=child_environment,
        cwd=plan.folder,
        output=log.fileno(),
        grace_s=LOCUST_GRACE_S,
    )
    tail = RunTail(*(lane.run for lane in lanes))
    status: Status = "interrupted"
    code: int | None = None
    try:
        code = _watch_to_end(lanes, locust, tail, log, watch)
        status = "complete"
    finally:
        if code is None:
            code = locust.stop("INT", patience_s=INTERRUPT_PATIENCE_S)
        log.close()
        closed = [_close(lane, run, status, code, seen) for lane, seen in zip(lanes, tail.seen, strict=True)]
    return closed


def _begin(lane: Lane) -> None:
    """Make a run's folder, with its manifest from its first moment on: no sweep with a run without one can be read."""
    with scratch_folder("run", lane.run.path.parent) as place:
        begun = RunDir(place / lane.run.name)
        begun.path.mkdir()
        write_manifest(begun.manifest, lane.manifest)
        begun.path.rename(lane.run.path)
    create_tables(lane.run.path, managed=lane.target.child is not None)


def _watch_to_end(lanes: Sequence[Lane], locust: Child, tail: RunTail, log: DiscreetLog, watch: Watcher) -> int:
    run, manifest, plan = lanes[0].run, lanes[0].manifest, lanes[0].plan
    recorders = [_TargetRecorder(lane.run, lane.target) for lane in lanes]
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
            log.take()
            tail.read()
            answer = read_answer(run.path)
            for lane, recorder in zip(lanes, recorders, strict=True):
                lane.target.forget_output()
                recorder.take(answer)
            watch(tail, answer)
            if code is not None:
                return code
            if time.monotonic() > latest_end:
                return locust.stop("KILL")
    finally:
        for recorder in recorders:
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


def _close(lane: Lane, logged: RunDir, status: Status, code: int, seen: Seen) -> RunManifest:
    """Fold what the recorder tells into the manifest and write it; Locust's log lies in the run `logged`.

    `seen` is what came of its requests, second by second.
    """
    run, manifest = lane.run, lane.manifest
    answer = read_answer(run.path) or Answer()
    error = answer.error
    # Whoever has interrupted a run doesn't wait for a host that may be gone.
    asked = lane.target.child is not None or status == "complete"
    silent = answer.window_end is not None and find_silence(seen, answer.window_end) is not None
    lost = silent or (asked and lane.target.lost)
    if status == "complete" and (error or answer.end is None or not answer.window_over):
        status = "failed"
        error = error or f"Locust ended with exit code {code} before the run was over: {_why(logged, manifest, answer)}"
    window = None
    if answer.window_start is not None and answer.window_end is not None:
        window = {"start": answer.window_start, "end": answer.window_end}
    begun = datetime.fromtimestamp(answer.start, UTC) if answer.start is not None else None
    found: dict[str, object] = {"status": status, "start": begun, "end": datetime.now(UTC)}
    try:
        told = {"window": window, "evidence": _evidence(answer, code, lost, error), "suite": answer.suite}
        manifest = RunManifest(**(dict(manifest) | found | told))
    except ValidationError as invalid:
        # Nobody could read it again.
        error = f"what the recorder told of the run can't be: {first_problem(invalid)}"
        found |= {"status": "failed", "evidence": Evidence(error=error, locust_exit_code=code)}
        manifest = RunManifest(**(dict(manifest) | found))
    write_manifest(run.manifest, manifest)
    remove_answer(run.path)
    return manifest


def _evidence(answer: Answer, code: int, target_lost: bool, error: str | None) -> Evidence:
    accounts = answer.sources.values()
    return Evidence(
        users_reached=answer.users_reached,
        requests_recorded=sum(account.recorded for account in accounts),
        requests_finished=sum(account.finished for account in accounts) if accounts else None,
        locust_finished=sum(account.locust_finished for account in accounts) if accounts else None,
        locust_total=answer.locust_total,
        unanswered=sum(account.unanswered for account in accounts),
        unstamped=sum(account.unstamped for account in accounts),
        untimed=sum(account.untimed for account in accounts),
        misdated=sum(account.misdated for account in accounts),
        stats_resets=answer.stats_resets + sum(account.stats_resets for account in accounts),
        recorder_faults=answer.faults + sum(account.faults for account in accounts),
        recorder_fault=next(filter(None, (answer.first_fault, *(one.first_fault for one in accounts))), ""),
        task_exceptions=sum(account.task_exceptions for account in accounts),
        strayed=sum(account.strayed for account in accounts),
        clock_step_ms=max((account.clock_step_ms for account in accounts), default=0.0),
        sources={name: _source_evidence(account, answer) for name, account in sorted(answer.sources.items())},
        exceptions=dict(sum(map(Counter, (answer.exceptions, *(one.exceptions for one in accounts))), Counter[str]())),
        locust_exceptions=answer.locust_exceptions,
        locust_exit_code=code,
        own_exit_code=answer.own_exit_code,
        target_lost=target_lost,
        error=error,
    )


def _source_evidence(account: SourceAccount, answer: Answer) -> SourceEvidence:
    told = 0 if account.last_second is None else account.last_second + 1
    missing_s = 0.0 if answer.window_end is None else max(0.0, answer.window_end - told)
    # One that goes in good order while the others stay takes its users' requests with it, too.
    left = answer.window_over and account.last_second is not None and missing_s > LAST_SECONDS
    lost = not account.complete or left
    counts = {name: getattr(account, name) for name in SourceEvidence.model_fields if hasattr(account, name)}
    return SourceEvidence(**counts, lost=lost, missing_s=missing_s if lost else 0.0)


def _why(run: RunDir, manifest: RunManifest, answer: Answer) -> str:
    plan = manifest.plan
    if plan.expect_workers and answer.start is None and _GAVE_UP in run.locust_log.read_text("utf-8", "replace"):
        return f"fewer than {plan.expect_workers} workers came to {plan.master_bind} within {WORKERS_WAIT_S} s"
    if answer.end is None:
        with run.locust_log.open("rb") as log:
            # How far it had come is no reason why it ended.
            return last_line(log.fileno(), without=_PROGRESS) or "its log doesn't say why"
    # It ended in order: somebody stopped it, perhaps the locustfile, or it never got to its users.
    return f"{answer.users_reached} of {manifest.users} users had been running"
