"""The recorder in the process that knows the plan: a standalone process, or a master with its workers."""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust.env import Environment
from locust.exception import RPCError
from locust.html import get_html_report
from locust.runners import STATE_MISSING

from perflab.errors import naming
from perflab.record.delivery import Inbox, Parcel
from perflab.record.exceptions import OutsideExceptions
from perflab.record.locust_statistics import LocustTally
from perflab.record.outcome import message_of
from perflab.record.role import ROWS, STOP, TAKEN, Faults, Role, listen_last
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
LAST_USER_S = 3.0
POLL_S = 0.1
# A worker that has stopped still has to deliver its last rows; one that is missing may come back.
HAND_OVER_S = 10.0
MISSING_S = 10.0
ASK_AGAIN_S = 2.0
# A run that is cut short is not a result: whoever ended it should not have to wait for stragglers.
CUT_SHORT_S = 2.0


class Coordinator(Role):
    """Writes the tables, opens and closes the steady window, and ends the run."""

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
        """Listen to this environment's events from now on."""
        listen = self._environment.events
        self._listen(listen.test_start, self._on_test_start)
        self._listen(listen.spawning_complete, self._on_spawning_complete)
        # After all others, whose exceptions belong to the run too.
        listen_last(listen.quit, self._faults.guard(self._on_quit))
        gevent.spawn(self._tick_for_ever)

    def _take(self, parcel: Parcel) -> None:
        self._write(parcel)
        if self._export is not None:
            self._export(parcel)

    def _write_state(self) -> None:
        self._state.writer = self._totals()
        self._writer.write_state()

    def _totals(self) -> Totals:
        """Return what this process itself has counted, its sources not included."""
        return Totals.model_construct(
            exceptions=self._exceptions, recorder_faults=self._faults.count, recorder_fault=self._faults.first
        )

    @property
    def _until(self) -> float | None:
        """The planned end in epoch seconds, once it is known."""
        state = self._state
        if state.start is None or state.window_end is None:
            return None
        return state.start + state.window_end

    def _on_test_start(self, **_: Any) -> None:
        if self._state.start is None:
            # A whole second of the epoch, so that sources can assign seconds without knowing the run's start.
            self._state.start = int(time.time())
            self._state.suite = describe_suite(self._environment) | {"hosts": self._hosts}
            self._write_state()

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        self._state.users_reached = max(self._state.users_reached, self._runner.user_count)
        if user_count >= self._configuration.users and self._state.window_end is None and self._state.start is not None:
            gevent.spawn(self._faults.guard(self._open_window), self._state.start)

    def _open_window(self, start: int) -> None:
        latest = time.monotonic() + LAST_USER_S
        while self._runner.user_count < self._configuration.users and time.monotonic() < latest:
            gevent.sleep(POLL_S)
        state = self._state
        state.users_reached = self._runner.user_count
        # Whole seconds, because a sample knows only the second in which its request began.
        state.window_start = math.ceil(time.time() - start + self._configuration.settle_s)
        state.window_end = state.window_start + math.ceil(self._configuration.duration_s)
        # Before anything is written: on a full disk that may fail, and the run has to end all the same.
        gevent.spawn_later(start + state.window_end - time.time(), self._faults.guard(self._end_run))
        self._write_state()

    def _end_run(self) -> None:
        self._faults.guard(end_think_times)()
        self._state.window_over = True
        # Users that died or stopped early are not replaced, so the load was not the planned one.
        self._state.users_reached = min(self._state.users_reached, self._runner.user_count)
        self._runner.quit()

    def _on_quit(self, **_: Any) -> None:
        self._state.end = time.time()
        self._state.locust_total = self._environment.stats.total.num_requests
        self._exceptions = self._outside.finish()
        self._state.locust_exceptions = self._outside.of_locust
        self._state.own_exit_code = _exit_code(self._environment.process_exit_code)
        options, host = self._environment.parsed_options, self._environment.host or ""
        if options is not None and host.rstrip("/") != (options.host or "").rstrip("/"):
            moved = one_line(redact(str(host)))
            self._state.error = f"the load went to {moved}, since the locustfile has set Locust's host: take that out"
        self._write_state()
        self._write_report()
        if self._exporter is not None:
            self._exporter.wait_for_last_scrape()

    def _write_report(self) -> None:
        """Write Locust's own report. perflab doesn't use it, so the run is still good without it."""
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
    """A single process that makes the requests and writes the tables."""

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
        self._ended = False

    def start(self) -> None:
        """Listen to this environment's events from now on."""
        self._source.listen()
        super().start()

    def _tick(self, second: int) -> None:
        # The process may stay alive for a while after its last batch, until its metrics have been scraped.
        if self._state.start is not None and not self._ended:
            self._source.note_health(second)
            self._hand_over()

    def _on_quit(self, **_: Any) -> None:
        self._faults.guard(self._finish)()
        super()._on_quit()

    def _finish(self) -> None:
        self._ended = True
        if self._state.start is not None:
            self._hand_over(last=True)

    def _hand_over(self, *, last: bool = False) -> None:
        self._take(Parcel("local", os.getpid(), 1, self._source.take_batch(until=self._until, last=last)))
        self._write_state()


class Master(Coordinator):
    """Writes what its workers deliver, and lets none of them quit before it has delivered everything."""

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
        """Listen to this environment's events and the workers' messages from now on."""
        listen = self._environment.events
        self._listen(listen.worker_connect, self._on_worker_connect)
        self._listen(listen.test_stopping, self._on_test_stopping)
        self._runner.register_message(ROWS, self._faults.guard(self._on_rows))
        super().start()

    def _on_test_start(self, **_: Any) -> None:
        super()._on_test_start()
        for node in self._runner.clients.all:
            self._expect(node.id)
            # Sent before the message that starts the worker, so that it knows that somebody listens.
            self._tell(node.id, TAKEN, {"number": 0})

    def _on_worker_connect(self, client_id: str, **_: Any) -> None:
        if self._state.start is not None:
            self._expect(client_id)

    def _expect(self, node_id: str) -> None:
        """Expect batches of a worker, so that one that never delivers anything is missed."""
        self._state.sources.setdefault(self._name(node_id), SourceState())

    def _name(self, node_id: str) -> str:
        return f"worker-{self._runner.get_worker_index(node_id)}"

    def _tick(self, second: int) -> None:  # noqa: ARG002 - a master makes no requests of its own
        if self._state.start is not None:
            self._note_missing()
            self._write_state()

    def _totals(self) -> Totals:
        # A master makes no requests: its statistics are the sum of its workers' reports.
        return super()._totals().model_copy(update={"stats_resets": self._tally.resets})

    def _note_missing(self) -> None:
        present = {self._name(node.id) for node in self._runner.clients.all if node.state != STATE_MISSING}
        now = time.monotonic()
        for name in self._state.sources:
            if name in present:
                self._missing_since.pop(name, None)
            else:
                self._missing_since.setdefault(name, now)

    def _on_rows(self, msg: Any, **_: Any) -> None:
        # What arrives before the start stays unacknowledged, and is sent again.
        if self._state.start is not None:
            number = self._inbox.receive(Parcel.from_message(msg.data))
            self._tell(msg.node_id, TAKEN, {"number": number})

    def _on_test_stopping(self, **_: Any) -> None:
        """Wait until every worker has let its requests finish and has delivered its last rows."""
        # No worker may get new users now, not even one that comes back.
        self._runner._users_dispatcher = None
        draining = self._environment.stop_timeout if self._state.window_over else 0.0
        until = self._until if self._state.window_over else time.time()
        latest = time.monotonic() + draining + (HAND_OVER_S if self._state.window_over else CUT_SHORT_S)
        ask_at = 0.0
        while self._still_expected() and time.monotonic() < latest:
            if time.monotonic() >= ask_at:
                # Repeatedly, because a message may be lost with its connection.
                ask_at = time.monotonic() + ASK_AGAIN_S
                for node in self._runner.clients.all:
                    self._tell(node.id, STOP, {"until": until})
            gevent.sleep(POLL_S)
            self._note_missing()

    def _still_expected(self) -> bool:
        now = time.monotonic()
        return any(
            not source.complete and now - self._missing_since.get(name, now) < MISSING_S
            for name, source in self._state.sources.items()
        )

    def _tell(self, node_id: str, kind: str, data: dict[str, Any]) -> None:
        try:
            self._runner.send_message(kind, data, client_id=node_id)
        except RPCError:
            # The connection is down: both sides send again later.
            return


def _exit_code(wanted: object) -> int | None:
    """Return the exit code that a locustfile has set, None for none; Python takes anything but a number for 1."""
    return wanted if wanted is None or isinstance(wanted, int) else 1
