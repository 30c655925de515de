"""A run: Locust at one level, watched until its end and summarised in ``run.json``.

In a duet one Locust makes two runs at once, each against its own target.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from perflab.drive.child import Child, ProcessTree
from perflab.drive.events import Watcher
from perflab.drive.locust import RUN_TIME_SLACK_S, WORKERS_WAIT_S, locust_environment, run_command
from perflab.drive.output import RedactedLog, last_line
from perflab.drive.tail import RunTail
from perflab.drive.target import Target
from perflab.fields import first_problem
from perflab.plan.plan import Plan
from perflab.store.layout import RunDir
from perflab.store.manifest import Evidence, RunManifest, SourceEvidence, Status, write_manifest
from perflab.store.recorder_protocol import RunConfiguration, RunState, Side, SourceState, read_state, remove_state
from perflab.store.scratch import scratch_folder
from perflab.store.silence import Seen, find_silence
from perflab.store.tables import TableWriter, create_tables

LOCUST_GRACE_S = 2.0
INTERRUPT_PATIENCE_S = 4.0
# A source reports a second when it is over, and may not have reported the last ones when the window ends.
LAST_SECONDS = 2.0
# What Locust's master logs when too few workers have connected.
_GAVE_UP = "Gave up waiting for workers"
_PROGRESS = re.compile(r"^\[[^]]*\] \S+/(INFO|DEBUG)/locust")


@dataclass(frozen=True, slots=True)
class Lane:
    """A run to be made: its folder, its initial manifest, its target, and its plan with secrets."""

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
    """Run Locust once and return the final manifest of each lane, which is also written to disk.

    With two lanes, half of the users load each of the targets; Locust's own files are in the folder of the first run,
    whose plan applies. Both lanes get the same seed and run id, so that their users do the same. `limits_ms` are the
    latency limits of the objectives, for the exporter's buckets.

    `watch` is called about once a second. On any exception, Ctrl-C included, Locust is stopped, the run is kept as
    interrupted, and the exception is passed on.
    """
    first = lanes[0]
    run, manifest, plan = first.run, first.manifest, first.plan
    for lane in lanes:
        _begin(lane)
    sides = tuple(Side(run_dir=str(lane.run.path), host=lane.target.host) for lane in lanes) if len(lanes) > 1 else ()
    configuration = RunConfiguration(
        run_dir=str(run.path),
        level=manifest.level,
        settle_s=plan.settle_s,
        duration_s=plan.duration_s,
        limits_ms=tuple(limits_ms),
        sides=sides,
    )
    child_environment = locust_environment(
        environment,
        **configuration.to_variable(),
        LOAD_TEST_SEED=str(manifest.seed),
        # It becomes part of names and addresses in the suite's data.
        LOAD_TEST_RUN_ID=f"{manifest.sweep_id}-{run.name}".replace("/", "-"),
    )
    log = RedactedLog(run.locust_log)
    locust = Child(
        run_command(plan, manifest.level, first.target.host, run),
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
    """Make a run's folder, complete with its manifest: a sweep that has a run without one can't be read."""
    with scratch_folder("run", lane.run.path.parent) as place:
        begun = RunDir(place / lane.run.name)
        begun.path.mkdir()
        write_manifest(begun.manifest, lane.manifest)
        begun.path.rename(lane.run.path)
    create_tables(lane.run.path, managed=lane.target.child is not None)


def _watch_to_end(lanes: Sequence[Lane], locust: Child, tail: RunTail, log: RedactedLog, watch: Watcher) -> int:
    run, manifest, plan = lanes[0].run, lanes[0].manifest, lanes[0].plan
    recorders = [_TargetRecorder(lane.run, child) for lane in lanes if (child := lane.target.child) is not None]
    # Locust ends by itself after --run-time and --stop-timeout; after that it hangs.
    waiting = WORKERS_WAIT_S if plan.expect_workers else 0
    latest_end = (
        time.monotonic() + waiting + 3 * plan.run_time_s(manifest.level) + plan.timeout_s + 2 * RUN_TIME_SLACK_S
    )
    due = time.monotonic()
    try:
        while True:
            due += 1.0
            code = locust.wait(max(0.05, due - time.monotonic()))
            log.take()
            tail.read()
            state = read_state(run.path)
            for lane in lanes:
                lane.target.forget_output()
            for recorder in recorders:
                recorder.take(state)
            watch(tail, state)
            if code is not None:
                return code
            if time.monotonic() > latest_end:
                return locust.stop("KILL")
    finally:
        for recorder in recorders:
            recorder.close()


class _TargetRecorder:
    """Writes ``target.csv`` of a managed target, once a second from the run's start on."""

    def __init__(self, run: RunDir, target: Child) -> None:
        self._tree = ProcessTree(target.pid)
        self._table = TableWriter(run.target)
        self._last = -1

    def take(self, state: RunState | None) -> None:
        use = self._tree.take()
        if state is not None and state.start is not None:
            second = int(time.time() - state.start) - 1
            # Of seconds in which a crowded machine kept perflab from looking, the mean of them all is known.
            seconds = range(second if self._last < 0 else self._last + 1, second + 1)
            self._table.append([(each, f"{use.cpu_percent:.1f}", f"{use.rss_mb:.1f}") for each in seconds if each >= 0])
            self._last = max(second, self._last)

    def close(self) -> None:
        self._table.close()


def _close(lane: Lane, logged: RunDir, status: Status, code: int, seen: Seen) -> RunManifest:
    """Merge the run's state into the manifest and write it; Locust's log is in the folder of the run `logged`.

    `seen` are the outcomes of its requests by second.
    """
    run, manifest = lane.run, lane.manifest
    state = read_state(run.path) or RunState()
    error = state.error
    # Whoever interrupts a run should not have to wait for a host that may be gone.
    asked = lane.target.child is not None or status == "complete"
    silent = state.window_end is not None and find_silence(seen, state.window_end) is not None
    lost = silent or (asked and lane.target.lost)
    if status == "complete" and (error or state.end is None or not state.window_over):
        status = "failed"
        error = error or f"Locust ended with exit code {code} before the run was over: {_why(logged, manifest, state)}"
    window = None
    if state.window_start is not None and state.window_end is not None:
        window = {"start": state.window_start, "end": state.window_end}
    start = datetime.fromtimestamp(state.start, UTC) if state.start is not None else None
    changes: dict[str, object] = {"status": status, "start": start, "end": datetime.now(UTC)}
    try:
        recorded = {"window": window, "evidence": _evidence(state, code, lost, error), "suite": state.suite}
        manifest = RunManifest(**(dict(manifest) | changes | recorded))
    except ValidationError as invalid:
        # It couldn't be read again.
        error = f"what the recorder reported of the run is impossible: {first_problem(invalid)}"
        changes |= {"status": "failed", "evidence": Evidence(error=error, locust_exit_code=code)}
        manifest = RunManifest(**(dict(manifest) | changes))
    write_manifest(run.manifest, manifest)
    remove_state(run.path)
    return manifest


def _evidence(state: RunState, code: int, target_lost: bool, error: str | None) -> Evidence:
    return Evidence(
        **dict(state.totals),
        users_reached=state.users_reached,
        locust_total=state.locust_total,
        sources={name: _source_evidence(source, state) for name, source in sorted(state.sources.items())},
        locust_exceptions=state.locust_exceptions,
        locust_exit_code=code,
        locustfile_exit_code=state.locustfile_exit_code,
        target_lost=target_lost,
        error=error,
    )


def _source_evidence(source: SourceState, state: RunState) -> SourceEvidence:
    reported_s = 0 if source.last_second is None else source.last_second + 1
    missing_s = 0.0 if state.window_end is None else max(0.0, state.window_end - reported_s)
    # A source that leaves in good order before the others takes its users' requests with it, too.
    left = state.window_over and source.last_second is not None and missing_s > LAST_SECONDS
    lost = not source.complete or left
    return SourceEvidence(**dict(source.totals), pid=source.pid, lost=lost, missing_s=missing_s if lost else 0.0)


def _why(run: RunDir, manifest: RunManifest, state: RunState) -> str:
    plan = manifest.plan
    if plan.expect_workers and state.start is None and _GAVE_UP in run.locust_log.read_text("utf-8", "replace"):
        return f"fewer than {plan.expect_workers} workers connected to {plan.master_bind} within {WORKERS_WAIT_S} s"
    if state.end is None:
        with run.locust_log.open("rb") as log:
            # How far it had come doesn't say why it ended.
            return last_line(log.fileno(), without=_PROGRESS) or "its log doesn't say why"
    # It ended in good order: somebody stopped it, perhaps the locustfile, or it never had all of its users.
    return f"{state.users_reached} of {manifest.level} had been running"
