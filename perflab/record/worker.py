"""The recorder in processes that don't know the plan: a worker, and plain Locust that Prometheus watches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from locust.env import Environment

from perflab.record.delivery import Inbox, Outbox, Parcel
from perflab.record.exceptions import OutsideExceptions
from perflab.record.role import ROWS, STOP, TAKEN, Faults, Role
from perflab.record.source import Source
from perflab.record.users import end_think_times
from perflab.store.recorder_protocol import RunConfiguration

if TYPE_CHECKING:
    from perflab.record.exporter import Exporter


class Worker(Role):
    """Delivers what its process records to the master."""

    def __init__(
        self,
        environment: Environment,
        source: Source,
        configuration: RunConfiguration | None,
        outside: OutsideExceptions,
    ) -> None:
        # A worker started by hand may outlive the shell that it was started from.
        super().__init__(environment, source.faults, watched=configuration is not None)
        self._source = source
        self._outside = outside
        self._outbox = Outbox(self._deliver, f"worker-{self._runner.worker_index}", os.getpid())
        self._deliver_guarded = self._faults.guard(self._try_to_deliver)
        self._until: float | None = None
        self._stopping = self._ended = False

    def start(self) -> None:
        """Start listening to this environment's events and the master's messages."""
        self._source.listen()
        self._runner.register_message(TAKEN, self._faults.guard(self._on_taken))
        self._runner.register_message(STOP, self._faults.guard(self._on_stop), concurrent=True)
        super().start()

    def _tick(self, second: int) -> None:
        if self._source.begun and not self._ended:
            self._source.note_health(second)
            self._outbox.put(self._source.take_batch(until=self._until))
        self._outbox.repeat()

    def _on_taken(self, msg: Any, **_: Any) -> None:
        self._outbox.acknowledge(msg.data["number"])

    def _on_stop(self, msg: Any, **_: Any) -> None:
        """Let requests in flight finish, then deliver what is left: the window is over."""
        if not self._stopping:
            self._stopping = True
            self._until = msg.data["until"]
            end_think_times()
            self._runner.stop()
            self._on_quit()

    def _on_quit(self, **_: Any) -> None:
        # A worker that never had a user delivers its last batch, too: the master waits for all of them.
        if not self._ended:
            self._ended = True
            exceptions = self._outside.finish()
            self._outbox.put(self._source.take_batch(until=self._until, last=True, exceptions=exceptions))

    def _deliver(self, parcel: Parcel) -> None:
        if not self._deliver_guarded(parcel):
            self._outbox.strip(parcel.number)

    def _try_to_deliver(self, parcel: Parcel) -> bool:
        self._send(ROWS, parcel.to_message())
        return True


class Observer(Role):
    """Plain Locust, started by hand: nothing is written, but metrics are exported to Prometheus.

    They are those of this process's own requests or, in a master, of its workers'. Tests may be started and stopped
    any number of times from the web UI: counts continue.
    """

    def __init__(self, environment: Environment, exporter: Exporter, source: Source | None) -> None:
        super().__init__(environment, Faults(), watched=False)
        self._exporter = exporter
        self._source = source
        self._take = self._faults.guard(exporter.take)
        self._inbox = Inbox(self._take)

    def start(self) -> None:
        """Start listening to this environment's events, or to its workers."""
        if self._source is None:
            self._runner.register_message(ROWS, self._faults.guard(self._on_rows))
        else:
            self._source.listen()
        super().start()

    def _tick(self, second: int) -> None:
        if self._source is not None and self._source.begun:
            self._source.note_health(second)
            self._hand_over(self._source)

    def _on_quit(self, **_: Any) -> None:
        if self._source is not None and self._source.begun:
            self._hand_over(self._source)
        self._exporter.wait_for_last_scrape()

    def _hand_over(self, source: Source) -> None:
        self._take(Parcel("local", os.getpid(), 1, source.take_batch()))

    def _on_rows(self, msg: Any, **_: Any) -> None:
        self._send(TAKEN, {"number": self._inbox.receive(Parcel.from_message(msg.data))}, to=msg.node_id)
