"""The recorder of a worker: it delivers what its process records to the master."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import gevent
from locust.env import Environment
from locust.exception import RPCError

from perflab.record.clients import end_think_times
from perflab.record.delivery import Outbox, Parcel
from perflab.record.listening import listen_last
from perflab.record.outside import OutsideExceptions
from perflab.record.source import Source
from perflab.record.ticking import ROWS, STOP, TAKEN, Ticking
from perflab.store.recorder_protocol import RunConfiguration


class Worker(Ticking):
    """Delivers what its process records to the master."""

    def __init__(
        self,
        environment: Environment,
        source: Source,
        configuration: RunConfiguration | None,
        outside: OutsideExceptions,
    ) -> None:
        # A worker that somebody started by hand may outlive the shell that it was started from.
        super().__init__(environment, source.faults, watched=configuration is not None)
        self._source = source
        self._outside = outside
        self._outbox = Outbox(self._send, f"worker-{self._runner.worker_index}", os.getpid())
        self._deliver = self._faults.guard(self._try_to_deliver)
        self._until: float | None = None
        self._begun = self._stopping = self._ended = False

    def start(self) -> None:
        """Listen to this environment's events and the master's messages from now on."""
        self._source.listen()
        listen = self._environment.events
        self._listen(listen.test_start, self._on_test_start)
        listen_last(listen.quit, self._faults.guard(self._on_quit))
        self._runner.register_message(TAKEN, self._faults.guard(self._on_taken))
        self._runner.register_message(STOP, self._faults.guard(self._on_stop), concurrent=True)
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
            end_think_times()
            self._runner.stop()
            self._end()

    def _on_quit(self, **_: Any) -> None:
        self._end()

    def _end(self) -> None:
        # A worker that never got a user says so, too: the master waits for all of them.
        if not self._ended:
            self._ended = True
            exceptions = self._outside.finish()
            self._outbox.put(self._source.take_batch(until=self._until, last=True, exceptions=exceptions))

    def _send(self, parcel: Parcel) -> None:
        if not self._deliver(parcel):
            self._outbox.strip(parcel.number)

    def _try_to_deliver(self, parcel: Parcel) -> bool:
        # While the connection is down, it stays in the outbox and is sent again.
        with contextlib.suppress(RPCError):
            self._runner.send_message(ROWS, parcel.to_message())
        return True
