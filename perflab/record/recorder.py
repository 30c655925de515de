"""The recorder inside a Locust process: alone, as a worker, or as the master that writes for its workers."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from perflab.record import wire
from perflab.record.clients import InFlight, watch_sleepers
from perflab.record.delivery import Batch, Inbox, Outbox, Parcel
from perflab.record.health import LostTime
from perflab.record.source import Source
from perflab.record.writer import Writer
from perflab.store.handover import Order, SourceAccount

ROWS, TAKEN, STOP = "perflab_rows", "perflab_taken", "perflab_stop"

# A worker that has stopped still has to hand over its last rows; one that is missing may come back.
HAND_OVER_S = 10.0
MISSING_S = 10.0
ASK_AGAIN_S = 2.0
# A run that is cut short is no result: whoever has ended it must not wait for stragglers.
CUT_SHORT_S = 2.0
POLL_S = 0.1
# Locust tells that spawning is complete once it has asked for the last user, not once that user runs.
LAST_USER_S = 3.0


def install() -> None:
    """Attach a recorder to Locust's events; called while Locust reads its ``-f`` files."""
    wire.install()
    in_flight, lost = InFlight(), LostTime()
    in_flight.watch_clients()
    watch_sleepers(lost)

    # Nothing is opened before the runner exists, because --processes forks between import and init.
    @events.init.add_listener
    def on_init(environment: Environment, **_: Any) -> None:
        runner, order = environment.runner, Order.from_environment()
        if isinstance(runner, WorkerRunner):
            Worker(environment, Source(environment, in_flight, lost), order).start()
        elif order is None:
            raise SystemExit("perflab's recorder writes only for perflab: start the run with perflab sweep or run")
        elif isinstance(runner, MasterRunner):
            Master(environment, order).start()
        else:
            Alone(environment, order, Source(environment, in_flight, lost)).start()


class _Ticking:
    """Does something at the end of every second, and ends with the process that started this one."""

    def __init__(self, environment: Environment, *, watched: bool) -> None:
        self._environment = environment
        self._runner: Any = environment.runner
        self._watched = watched
        self._parent = os.getppid()
        self._stamping = wire.keep_stamping()

    def _tick_for_ever(self) -> None:
        while True:
            gevent.sleep(math.floor(time.time()) + 1 - time.time())
            try:
                self._tick(int(time.time()) - 1)
            finally:
                if self._watched and os.getppid() != self._parent:
                    # Whoever started this process is gone: nobody waits for the result, and load must not go on.
                    os._exit(1)

    def _tick(self, second: int) -> None:
        raise NotImplementedError


class Worker(_Ticking):
    """Delivers what its process records to the master."""

    def __init__(self, environment: Environment, source: Source, order: Order | None) -> None:
        # A worker that somebody started by hand may outlive the shell that it was started from.
        super().__init__(environment, watched=order is not None)
        self._source = source
        self._outbox = Outbox(self._send, f"worker-{self._runner.worker_index}", os.getpid())
        self._until: float | None = None
        self._begun = self._stopping = self._ended = False

    def start(self) -> None:
        """Listen to this environment's events and the master's messages from now on."""
        self._source.listen()
        listen = self._environment.events
        listen.test_start.add_listener(self._on_test_start)
        listen.quit.add_listener(self._on_quit)
        self._runner.register_message(TAKEN, self._on_taken)
        self._runner.register_message(STOP, self._on_stop, concurrent=True)
        gevent.spawn(self._tick_for_ever)

    def _on_test_start(self, **_: Any) -> None:
        self._begun = True

    def _tick(self, second: int) -> None:
        if self._begun and not self._ended:
            self._source.note_health(second)
            self._outbox.put(self._source.take_batch(until=self._until))
        self._outbox.repeat()

    def _on_taken(self, msg: Any, **_: Any) -> None:
        self._outbox.acknowledge(msg.data["number"])

    def _on_stop(self, msg: Any, **_: Any) -> None:
        """The window is over: let requests come back, then hand over what is left."""
        if not self._stopping:
            self._stopping = True
            self._until = msg.data["until"]
            self._runner.stop()
            self._end()

    def _on_quit(self, **_: Any) -> None:
        self._end()

    def _end(self) -> None:
        # A worker that never got a user says so, too: the master waits for all of them.
        if not self._ended:
            self._ended = True
            self._outbox.put(self._source.take_batch(until=self._until, last=True))

    def _send(self, parcel: Parcel) -> None:
        try:
            self._runner.send_message(ROWS, parcel.to_message())
        except RPCError:
            # The connection is down: it stays in the outbox and is sent again.
            return


class _Leader(_Ticking):
    """The process that knows the plan: it writes the tables, opens and closes the steady window, ends the run."""

    def __init__(self, environment: Environment, order: Order) -> None:
        super().__init__(environment, watched=True)
        self._order = order
        self._writer = Writer(Path(order.run_dir))
        self._answer = self._writer.answer
        self._inbox = Inbox(self._writer.take)

    def start(self) -> None:
        """Listen to this environment's events from now on."""
        listen = self._environment.events
        listen.test_start.add_listener(self._on_test_start)
        listen.spawning_complete.add_listener(self._on_spawning_complete)
        listen.quit.add_listener(self._on_quit)
        if self._environment.shape_class is not None:
            self._answer.error = "the locustfile defines a LoadTestShape, which would override the planned users"
            self._writer.write_answer()
            raise SystemExit(1)
        gevent.spawn(self._tick_for_ever)

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
            self._writer.write_answer()

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        self._answer.users_reached = max(self._answer.users_reached, self._runner.user_count)
        if user_count >= self._order.users and self._answer.window_end is None and self._answer.start is not None:
            gevent.spawn(self._open_window, self._answer.start)

    def _open_window(self, start: int) -> None:
        latest = time.monotonic() + LAST_USER_S
        while self._runner.user_count < self._order.users and time.monotonic() < latest:
            gevent.sleep(POLL_S)
        answer = self._answer
        answer.users_reached = self._runner.user_count
        # Whole seconds, because a sample knows only the second in which its request began.
        answer.window_start = math.ceil(time.time() - start + self._order.settle_s)
        answer.window_end = answer.window_start + math.ceil(self._order.duration_s)
        self._writer.write_answer()
        gevent.spawn_later(start + answer.window_end - time.time(), self._end_run)

    def _end_run(self) -> None:
        self._answer.window_over = True
        # Users that died or stopped on the way are not replaced: the load was not the planned one.
        self._answer.users_reached = min(self._answer.users_reached, self._runner.user_count)
        self._runner.quit()

    def _on_quit(self, **_: Any) -> None:
        self._answer.end = time.time()
        self._answer.locust_total = self._environment.stats.total.num_requests
        self._writer.write_answer()


class Alone(_Leader):
    """One process that makes the requests and writes their tables."""

    def __init__(self, environment: Environment, order: Order, source: Source) -> None:
        super().__init__(environment, order)
        self._source = source
        self._outbox = Outbox(self._deliver, "local", os.getpid())

    def start(self) -> None:
        """Listen to this environment's events from now on."""
        self._source.listen()
        super().start()

    def _tick(self, second: int) -> None:
        if self._answer.start is not None:
            self._source.note_health(second)
            self._put(self._source.take_batch(until=self._until))

    def _on_quit(self, **_: Any) -> None:
        if self._answer.start is not None:
            self._put(self._source.take_batch(until=self._until, last=True))
        super()._on_quit()

    def _put(self, batch: Batch) -> None:
        self._outbox.put(batch)
        self._writer.write_answer()

    def _deliver(self, parcel: Parcel) -> None:
        self._outbox.acknowledge(self._inbox.receive(parcel))


class Master(_Leader):
    """Writes what its workers deliver, and lets no worker go before it has delivered."""

    def __init__(self, environment: Environment, order: Order) -> None:
        super().__init__(environment, order)
        self._missing_since: dict[str, float] = {}

    def start(self) -> None:
        """Listen to this environment's events and the workers' messages from now on."""
        listen = self._environment.events
        listen.worker_connect.add_listener(self._on_worker_connect)
        listen.test_stopping.add_listener(self._on_test_stopping)
        self._runner.register_message(ROWS, self._on_rows)
        super().start()

    def _on_test_start(self, **_: Any) -> None:
        super()._on_test_start()
        for node in self._runner.clients.all:
            self._expect(node.id)

    def _on_worker_connect(self, client_id: str, **_: Any) -> None:
        if self._answer.start is not None:
            self._expect(client_id)

    def _expect(self, node_id: str) -> None:
        """A worker that never delivers anything must be missed, too."""
        self._answer.sources.setdefault(self._name(node_id), SourceAccount())

    def _name(self, node_id: str) -> str:
        return f"worker-{self._runner.get_worker_index(node_id)}"

    def _tick(self, second: int) -> None:  # noqa: ARG002 - the master makes no requests that could be told of
        if self._answer.start is not None:
            self._note_missing()
            self._writer.write_answer()

    def _note_missing(self) -> None:
        present = {self._name(node.id) for node in self._runner.clients.all if node.state != STATE_MISSING}
        now = time.monotonic()
        for name in self._answer.sources:
            if name in present:
                self._missing_since.pop(name, None)
            else:
                self._missing_since.setdefault(name, now)

    def _on_rows(self, msg: Any, **_: Any) -> None:
        # What comes before the start stays unacknowledged, and comes again.
        if self._answer.start is not None:
            number = self._inbox.receive(Parcel.from_message(msg.data))
            self._tell(msg.node_id, TAKEN, {"number": number})

    def _on_test_stopping(self, **_: Any) -> None:
        """Wait until every worker has let its requests come back and has handed over its last rows."""
        # Nobody is to get new users now, not even a worker that comes back.
        self._runner._users_dispatcher = None
        draining = self._environment.stop_timeout if self._answer.window_over else 0.0
        until = self._until if self._answer.window_over else time.time()
        latest = time.monotonic() + draining + (HAND_OVER_S if self._answer.window_over else CUT_SHORT_S)
        ask_at = 0.0
        while self._still_expected() and time.monotonic() < latest:
            if time.monotonic() >= ask_at:
                # Again and again, because a message may be lost with a connection.
                ask_at = time.monotonic() + ASK_AGAIN_S
                for node in self._runner.clients.all:
                    self._tell(node.id, STOP, {"until": until})
            gevent.sleep(POLL_S)
            self._note_missing()

    def _still_expected(self) -> bool:
        now = time.monotonic()
        return any(
            not account.complete and now - self._missing_since.get(name, now) < MISSING_S
            for name, account in self._answer.sources.items()
        )

    def _tell(self, node_id: str, kind: str, data: dict[str, Any]) -> None:
        try:
            self._runner.send_message(kind, data, client_id=node_id)
        except RPCError:
            # The connection is down: both sides ask again.
            return
