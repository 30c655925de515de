"""The recorder of a master: it writes what its workers deliver, and lets none go before it has delivered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent
from locust.env import Environment
from locust.exception import RPCError
from locust.runners import STATE_MISSING

from perflab.record.delivery import Parcel
from perflab.record.leader import Leader
from perflab.record.outside import OutsideExceptions
from perflab.record.tally import LocustTally
from perflab.record.ticking import ROWS, STOP, TAKEN
from perflab.store.recorder_protocol import RunConfiguration, SourceState, Totals

if TYPE_CHECKING:
    from perflab.record.exporter import Exporter

# A worker that has stopped still has to hand over its last rows; one that is missing may come back.
HAND_OVER_S = 10.0
MISSING_S = 10.0
ASK_AGAIN_S = 2.0
# A run that is cut short is no result: whoever has ended it must not wait for stragglers.
CUT_SHORT_S = 2.0
POLL_S = 0.1


class Master(Leader):
    """Writes what its workers deliver, and lets no worker go before it has delivered."""

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
            # It comes before what makes the worker begin: it keeps all of its batches for somebody who listens.
            self._tell(node.id, TAKEN, {"number": 0})

    def _on_worker_connect(self, client_id: str, **_: Any) -> None:
        if self._state.start is not None:
            self._expect(client_id)

    def _expect(self, node_id: str) -> None:
        """A worker that never delivers anything must be missed, too."""
        self._state.sources.setdefault(self._name(node_id), SourceState())

    def _name(self, node_id: str) -> str:
        return f"worker-{self._runner.get_worker_index(node_id)}"

    def _tick(self, second: int) -> None:  # noqa: ARG002 - the master makes no requests that could be told of
        if self._state.start is not None:
            self._note_missing()
            self._write_state()

    def _totals(self) -> Totals:
        # It makes no requests itself: its statistics are made of its workers' reports.
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
        # What comes before the start stays unacknowledged, and comes again.
        if self._state.start is not None:
            number = self._inbox.receive(Parcel.from_message(msg.data))
            self._tell(msg.node_id, TAKEN, {"number": number})

    def _on_test_stopping(self, **_: Any) -> None:
        """Wait until every worker has let its requests come back and has handed over its last rows."""
        # Nobody is to get new users now, not even a worker that comes back.
        self._runner._users_dispatcher = None
        draining = self._environment.stop_timeout if self._state.window_over else 0.0
        until = self._until if self._state.window_over else time.time()
        latest = time.monotonic() + draining + (HAND_OVER_S if self._state.window_over else CUT_SHORT_S)
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
            not source.complete and now - self._missing_since.get(name, now) < MISSING_S
            for name, source in self._state.sources.items()
        )

    def _tell(self, node_id: str, kind: str, data: dict[str, Any]) -> None:
        try:
            self._runner.send_message(kind, data, client_id=node_id)
        except RPCError:
            # The connection is down: both sides ask again.
            return
