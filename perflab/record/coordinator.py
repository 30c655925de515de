"""The recorder in the process that has the run's configuration: a standalone process, or the master of workers."""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust.env import Environment
from locust.html import get_html_report
from locust.runners import STATE_MISSING

from perflab.errors import naming
from perflab.record.delivery import Inbox, Parcel
from perflab.record.exceptions import OutsideExceptions
from perflab.record.locust_statistics import LocustTally
from perflab.record.outcome import message_of
from perflab.record.role import ROWS, STOP, TAKEN, Faults, Role
from perflab.record.source import Source
from perflab.record.suite import describe_suite, own_hosts
from perflab.record.users import end_think_times
from perflab.record.writer import open_writer
from perflab.store.layout import RunDir
from perflab.store.recorder_protocol import RunConfiguration, SourceState, Totals
from perflab.vocabulary.redact import redact
from perflab.vocabulary.text import one_line

if TYPE_CHECKING:
    from perflab.record.exporter import Exporter

# Locust reports that spawning is complete once it has requested the last user, not once that user runs.
LAST_USER_TIMEOUT_S = 3.0
POLL_INTERVAL_S = 0.1
# A worker that has stopped still has to deliver its last rows; a missing one may reconnect.
DELIVERY_TIMEOUT_S = 10.0
MISSING_TIMEOUT_S = 10.0
RESEND_INTERVAL_S = 2.0
# An aborted run is not a result, so whoever aborted it should not have to wait for slow workers.
ABORT_TIMEOUT_S = 2.0


class Coordinator(Role):
    """Writes the tables, sets the planned window, and ends the run."""

    def __init__(
        self,
        environment: Environment,
        configuration: RunConfiguration,
        exporter: Exporter | None,
        outside: OutsideExceptions,
    ) -> None:
        super().__init__(environment, Faults(), watched=True)
        self._configuration = configuration
        self._writer = open_writer(configuration, self._faults)
        self._state = self._writer.state
        self._exporter = exporter
        self._write = self._faults.guard(self._writer.take)
        self._export = self._faults.guard(exporter.take) if exporter is not None else None
        self._outside = outside
        self._exceptions: dict[str, int] = {}
        self._hosts = own_hosts(environment)

    def start(self) -> None:
        """Start listening to this environment's events."""
        events = self._environment.events
        self._listen(events.test_start, self._on_test_start)
        self._listen(events.spawning_complete, self._on_spawning_complete)
        super().start()

    def _take(self, parcel: Parcel) -> None:
        self._write(parcel)
        if self._export is not None:
            self._export(parcel)

    def _write_state(self) -> None:
        self._state.writer = self._totals()
        self._writer.write_state()

    def _totals(self) -> Totals:
        """Return this process's own counts, without those of its sources."""
        return Totals.model_construct(
            exceptions=self._exceptions, recorder_faults=self._faults.count, recorder_fault=self._faults.first
        )

    @property
    def _planned_end(self) -> float | None:
        """The end of the planned window in epoch seconds; None until all users are running."""
        state = self._state
        if state.start is None or state.window_end is None:
            return None
        return state.start + state.window_end

    def _on_test_start(self, **_: Any) -> None:
        if self._state.start is None:
            # A whole epoch second, so that sources can assign requests to seconds without knowing the run's start.
            self._state.start = int(time.time())
            self._state.suite = describe_suite(self._environment) | {"hosts": self._hosts}
            self._write_state()

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        self._state.users_reached = max(self._state.users_reached, self._runner.user_count)
        if (
            user_count >= self._configuration.level.users
            and self._state.window_end is None
            and self._state.start is not None
        ):
            gevent.spawn(self._faults.guard(self._open_window), self._state.start)

    def _open_window(self, start: int) -> None:
        deadline = time.monotonic() + LAST_USER_TIMEOUT_S
        while self._runner.user_count < self._configuration.level.users and time.monotonic() < deadline:
            gevent.sleep(POLL_INTERVAL_S)
        state = self._state
        state.users_reached = self._runner.user_count
        # Whole seconds, because a sample records only the second in which its request began.
        state.window_start = math.ceil(time.time() - start + self._configuration.settle_s)
        state.window_end = state.window_start + math.ceil(self._configuration.duration_s)
        # Scheduled before anything is written: writing fails on a full disk, and the run has to end nonetheless.
        gevent.spawn_later(start + state.window_end - time.time(), self._faults.guard(self._end_run))
        self._write_state()

    def _end_run(self) -> None:
        self._faults.guard(end_think_times)()
        self._state.window_over = True
        # Locust doesn't replace users that died or stopped early, so the load was less than planned.
        self._state.users_reached = min(self._state.users_reached, self._runner.user_count)
        self._runner.quit()

    def _on_quit(self, **_: Any) -> None:
        self._state.end = time.time()
        self._state.locust_total = self._environment.stats.total.num_requests
        self._exceptions = self._outside.finish()
        self._state.locust_exceptions = self._outside.of_locust
        code = self._environment.process_exit_code
        # As in `sys.exit`, any other object that the locustfile has set is 1.
        self._state.locustfile_exit_code = code if code is None or isinstance(code, int) else 1
        options, host = self._environment.parsed_options, self._environment.host or ""
        if options is not None and host.rstrip("/") != (options.host or "").rstrip("/"):
            actual_host = one_line(redact(str(host)))
            self._state.error = f"the load went to {actual_host}: the locustfile sets Locust's host, remove that"
        self._write_state()
        self._write_report()
        if self._exporter is not None:
            self._exporter.wait_for_last_scrape()

    def _write_report(self) -> None:
        """Write Locust's own report. perflab doesn't use it, so a failure to write it doesn't fail the run."""
        path = RunDir(Path(self._configuration.run_dir)).locust_html
        try:
            with naming(path):
                path.write_text(get_html_report(self._environment, show_download_link=False), encoding="utf-8")
        except Exception as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            self._state.locust_exceptions[f"{type(error).__name__}: {message_of(error)}"] = 1
            self._faults.guard(self._write_state)()


class Standalone(Coordinator):
    """A single process that both makes the requests and writes the tables."""

    def __init__(
        self,
        environment: Environment,
        configuration: RunConfiguration,
        exporter: Exporter | None,
        outside: OutsideExceptions,
        source: Source,
    ) -> None:
        super().__init__(environment, configuration, exporter, outside)
        self._source = source
        self._finished = False

    def start(self) -> None:
        """Start listening to this environment's events."""
        self._source.listen()
        super().start()

    def _tick(self, second: int) -> None:
        # The process may stay alive for a while after its last batch, until its metrics have been scraped.
        if self._state.start is not None and not self._finished:
            self._source.note_health(second)
            self._deliver()

    def _on_quit(self, **_: Any) -> None:
        self._faults.guard(self._finish)()
        super()._on_quit()

    def _finish(self) -> None:
        self._finished = True
        if self._state.start is not None:
            self._deliver(last=True)

    def _deliver(self, *, last: bool = False) -> None:
        self._take(Parcel("local", os.getpid(), 1, self._source.take_batch(until=self._planned_end, last=last)))
        self._write_state()


class Master(Coordinator):
    """Writes the batches of its workers, and keeps each worker from quitting before it has delivered them all."""

    def __init__(
        self,
        environment: Environment,
        configuration: RunConfiguration,
        exporter: Exporter | None,
        outside: OutsideExceptions,
        tally: LocustTally,
    ) -> None:
        super().__init__(environment, configuration, exporter, outside)
        self._tally = tally
        self._inbox = Inbox(self._take)
        self._missing_since: dict[str, float] = {}

    def start(self) -> None:
        """Start listening to this environment's events and its workers' messages."""
        events = self._environment.events
        self._listen(events.worker_connect, self._on_worker_connect)
        self._listen(events.test_stopping, self._on_test_stopping)
        self._runner.register_message(ROWS, self._faults.guard(self._on_rows))
        super().start()

    def _on_test_start(self, **_: Any) -> None:
        super()._on_test_start()
        for node in self._runner.clients.all:
            self._expect_batches_of(node.id)
            # Sent before Locust starts the worker, so that the worker knows that this master takes its batches.
            self._send(TAKEN, {"number": 0}, to=node.id)

    def _on_worker_connect(self, client_id: str, **_: Any) -> None:
        if self._state.start is not None:
            self._expect_batches_of(client_id)

    def _expect_batches_of(self, node_id: str) -> None:
        """Register a worker as a source, so that it is reported as lost even if it never delivers anything."""
        self._state.sources.setdefault(self._source_name(node_id), SourceState())

    def _source_name(self, node_id: str) -> str:
        return f"worker-{self._runner.get_worker_index(node_id)}"

    def _tick(self, second: int) -> None:  # noqa: ARG002 - a master makes no requests of its own
        if self._state.start is not None:
            self._track_missing_workers()
            self._write_state()

    def _totals(self) -> Totals:
        # A master makes no requests: its statistics are the sum of its workers' reports.
        return super()._totals().model_copy(update={"stats_resets": self._tally.resets})

    def _track_missing_workers(self) -> None:
        present = {self._source_name(node.id) for node in self._runner.clients.all if node.state != STATE_MISSING}
        now = time.monotonic()
        for name in self._state.sources:
            if name in present:
                self._missing_since.pop(name, None)
            else:
                self._missing_since.setdefault(name, now)

    def _on_rows(self, msg: Any, **_: Any) -> None:
        # Batches that arrive before the start are not acknowledged, so the worker sends them again.
        if self._state.start is not None:
            number = self._inbox.receive(Parcel.from_message(msg.data))
            self._send(TAKEN, {"number": number}, to=msg.node_id)

    def _on_test_stopping(self, **_: Any) -> None:
        """Wait until the requests of every worker have finished and its last rows have been delivered."""
        # From now on Locust must not assign users to any worker, not even to one that reconnects.
        self._runner._users_dispatcher = None
        drain_s = self._environment.stop_timeout if self._state.window_over else 0.0
        until = self._planned_end if self._state.window_over else time.time()
        deadline = time.monotonic() + drain_s + (DELIVERY_TIMEOUT_S if self._state.window_over else ABORT_TIMEOUT_S)
        next_stop_at = 0.0
        while self._awaiting_batches() and time.monotonic() < deadline:
            if time.monotonic() >= next_stop_at:
                # Repeated, because a message is lost if its connection breaks.
                next_stop_at = time.monotonic() + RESEND_INTERVAL_S
                for node in self._runner.clients.all:
                    self._send(STOP, {"until": until}, to=node.id)
            gevent.sleep(POLL_INTERVAL_S)
            self._track_missing_workers()

    def _awaiting_batches(self) -> bool:
        now = time.monotonic()
        return any(
            not source.complete and now - self._missing_since.get(name, now) < MISSING_TIMEOUT_S
            for name, source in self._state.sources.items()
        )
