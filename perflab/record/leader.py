"""The recorder of the process that knows the plan: alone, or as the base of a master."""

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

from perflab.errors import naming
from perflab.record.clients import end_think_times
from perflab.record.delivery import Batch, Inbox, Outbox, Parcel
from perflab.record.faults import Faults
from perflab.record.listening import listen_last
from perflab.record.outcome import message_of
from perflab.record.outside import OutsideExceptions
from perflab.record.source import Source
from perflab.record.suite import describe_suite, own_hosts
from perflab.record.ticking import Ticking
from perflab.record.writer import open_writer
from perflab.store.handover import Order
from perflab.store.layout import RunDir
from perflab.vocabulary.redact import redact
from perflab.vocabulary.text import one_line

if TYPE_CHECKING:
    from perflab.record.exporter import Exporter

# Locust tells that spawning is complete once it has asked for the last user, not once that user runs.
LAST_USER_S = 3.0
POLL_S = 0.1


class Leader(Ticking):
    """The process that knows the plan: it writes the tables, opens and closes the steady window, ends the run."""

    def __init__(
        self, environment: Environment, order: Order, exporter: Exporter | None, outside: OutsideExceptions
    ) -> None:
        super().__init__(environment, Faults(), watched=True)
        self._order = order
        self._writer = open_writer(order, self._faults)
        self._answer = self._writer.answer
        self._exporter = exporter
        self._write = self._faults.guard(self._writer.take)
        self._export = self._faults.guard(exporter.take) if exporter is not None else None
        self._inbox = Inbox(self._take)
        self._outside = outside
        self._hosts = own_hosts(environment)

    def start(self) -> None:
        """Listen to this environment's events from now on."""
        listen = self._environment.events
        self._listen(listen.test_start, self._on_test_start)
        self._listen(listen.spawning_complete, self._on_spawning_complete)
        # After all others, whose exceptions are of the run too.
        listen_last(listen.quit, self._faults.guard(self._on_quit))
        if self._environment.shape_class is not None:
            self._answer.error = "the locustfile defines a LoadTestShape, which would override the planned users"
            self._write_answer()
            raise SystemExit(1)
        gevent.spawn(self._tick_for_ever)

    def _take(self, parcel: Parcel) -> None:
        self._write(parcel)
        if self._export is not None:
            self._export(parcel)

    def _write_answer(self) -> None:
        self._answer.faults, self._answer.first_fault = self._faults.count, self._faults.first
        self._writer.write_answer()

    @property
    def _until(self) -> float | None:
        """The planned end in epoch seconds, once it is known."""
        answer = self._answer
        if answer.start is None or answer.window_end is None:
            return None
        return answer.start + answer.window_end

    def _on_test_start(self, **_: Any) -> None:
        if self._answer.start is None:
            # A whole second of the epoch, so that every source tells the run's seconds without being told its start.
            self._answer.start = int(time.time())
            self._answer.suite = describe_suite(self._environment) | {"hosts": self._hosts}
            self._write_answer()

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        self._answer.users_reached = max(self._answer.users_reached, self._runner.user_count)
        if user_count >= self._order.users and self._answer.window_end is None and self._answer.start is not None:
            gevent.spawn(self._faults.guard(self._open_window), self._answer.start)

    def _open_window(self, start: int) -> None:
        latest = time.monotonic() + LAST_USER_S
        while self._runner.user_count < self._order.users and time.monotonic() < latest:
            gevent.sleep(POLL_S)
        answer = self._answer
        answer.users_reached = self._runner.user_count
        # Whole seconds, because a sample knows only the second in which its request began.
        answer.window_start = math.ceil(time.time() - start + self._order.settle_s)
        answer.window_end = answer.window_start + math.ceil(self._order.duration_s)
        # First of all: what is written on a full disk may fail, and the run must end all the same.
        gevent.spawn_later(start + answer.window_end - time.time(), self._faults.guard(self._end_run))
        self._write_answer()

    def _end_run(self) -> None:
        self._faults.guard(end_think_times)()
        self._answer.window_over = True
        # Users that died or stopped on the way are not replaced: the load was not the planned one.
        self._answer.users_reached = min(self._answer.users_reached, self._runner.user_count)
        self._runner.quit()

    def _on_quit(self, **_: Any) -> None:
        self._answer.end = time.time()
        self._answer.locust_total = self._environment.stats.total.num_requests
        self._answer.exceptions = self._outside.finish()
        self._answer.locust_exceptions = self._outside.of_locust
        self._answer.own_exit_code = _exit_code(self._environment.process_exit_code)
        options = self._environment.parsed_options
        if options is not None and (self._environment.host or "").rstrip("/") != (options.host or "").rstrip("/"):
            moved = one_line(redact(str(self._environment.host)))
            self._answer.error = f"the load went to {moved}, since the locustfile has set Locust's host: take that out"
        self._write_answer()
        self._write_report()
        if self._exporter is not None:
            self._exporter.wait_for_last_scrape()

    def _write_report(self) -> None:
        """Write Locust's own report, of which perflab uses nothing; without it the run is as good."""
        path = RunDir(Path(self._order.run_dir)).locust_html
        try:
            with naming(path):
                path.write_text(get_html_report(self._environment, show_download_link=False), encoding="utf-8")
        except Exception as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            self._answer.locust_exceptions[f"{type(error).__name__}: {message_of(error)}"] = 1
            self._faults.guard(self._write_answer)()


class Alone(Leader):
    """One process that makes the requests and writes their tables."""

    def __init__(
        self,
        environment: Environment,
        order: Order,
        exporter: Exporter | None,
        outside: OutsideExceptions,
        source: Source,
    ) -> None:
        super().__init__(environment, order, exporter, outside)
        self._source = source
        self._outbox = Outbox(self._deliver, "local", os.getpid())
        self._ended = False

    def start(self) -> None:
        """Listen to this environment's events from now on."""
        self._source.listen()
        super().start()

    def _tick(self, second: int) -> None:
        # The process may stay for a while after its last batch, until somebody has fetched its figures.
        if self._answer.start is not None and not self._ended:
            self._source.note_health(second)
            self._put(self._source.take_batch(until=self._until))

    def _on_quit(self, **_: Any) -> None:
        self._faults.guard(self._finish)()
        super()._on_quit()

    def _finish(self) -> None:
        self._ended = True
        if self._answer.start is not None:
            self._put(self._source.take_batch(until=self._until, last=True))

    def _put(self, batch: Batch) -> None:
        self._outbox.put(batch)
        self._write_answer()

    def _deliver(self, parcel: Parcel) -> None:
        self._outbox.acknowledge(self._inbox.receive(parcel))


def _exit_code(wanted: object) -> int | None:
    """Return the exit code that a locustfile has set, None for none; what is no number is 1 to Python."""
    return wanted if wanted is None or isinstance(wanted, int) else 1
