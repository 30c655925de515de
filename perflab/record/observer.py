"""Plain Locust, started by hand: nothing is written, but Prometheus can watch."""

from __future__ import annotations

import os
from typing import Any

import gevent
from locust.env import Environment
from locust.exception import RPCError

from perflab.record.delivery import Inbox, Parcel
from perflab.record.exporter import Exporter
from perflab.record.faults import Faults
from perflab.record.listening import listen_last
from perflab.record.source import Source
from perflab.record.ticking import ROWS, TAKEN, Ticking


class Observer(Ticking):
    """Feeds the exporter from this process's own requests, or, as a master, from those of its workers.

    Tests may be started and stopped as often as one likes, from the web UI: counts go on.
    """

    def __init__(self, environment: Environment, exporter: Exporter, source: Source | None) -> None:
        super().__init__(environment, Faults(), watched=False)
        self._exporter = exporter
        self._source = source
        self._take = self._faults.guard(exporter.take)
        self._inbox = Inbox(self._take)
        self._begun = False
        self._number = 0

    def start(self) -> None:
        """Listen to this environment's events, or to its workers, from now on."""
        listen = self._environment.events
        if self._source is None:
            self._runner.register_message(ROWS, self._faults.guard(self._on_rows))
        else:
            self._source.listen()
            self._listen(listen.test_start, self._on_test_start)
            gevent.spawn(self._tick_for_ever)
        listen_last(listen.quit, self._faults.guard(self._on_quit))

    def _on_test_start(self, **_: Any) -> None:
        self._begun = True

    def _tick(self, second: int) -> None:
        if self._begun and self._source is not None:
            self._source.note_health(second)
            self._hand_over(self._source)

    def _on_quit(self, **_: Any) -> None:
        if self._begun and self._source is not None:
            self._hand_over(self._source)
        self._exporter.wait_for_last_scrape()

    def _hand_over(self, source: Source) -> None:
        self._number += 1
        self._take(Parcel("local", os.getpid(), self._number, source.take_batch()))

    def _on_rows(self, msg: Any, **_: Any) -> None:
        number = self._inbox.receive(Parcel.from_message(msg.data))
        try:
            self._runner.send_message(TAKEN, {"number": number}, client_id=msg.node_id)
        except RPCError:
            # The connection is down: the worker sends it again.
            return
