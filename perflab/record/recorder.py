"""Attaching the recorder to a Locust process, in the role that the process has."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from perflab.record import discretion, garbage, names, pool, protocols, wire
from perflab.record.allowed import AllowedHosts
from perflab.record.clients import InFlight, watch_sleepers
from perflab.record.duet import Duet
from perflab.record.health import LostTime
from perflab.record.leader import Alone
from perflab.record.master import Master
from perflab.record.outside import OutsideExceptions
from perflab.record.source import Source
from perflab.record.tally import LocustTally
from perflab.record.worker import Worker
from perflab.store.handover import Order

if TYPE_CHECKING:
    from perflab.record.exporter import Exporter

PORT_VARIABLE, HOST_VARIABLE = "LOAD_TEST_PROMETHEUS_PORT", "LOAD_TEST_PROMETHEUS_HOST"
_WORKER_VARIABLES = ("LOCUST_WORKER", "LOCUST_MODE_WORKER")

_installed = False


def install() -> None:
    """Attach a recorder to Locust's events; called while Locust reads its ``-f`` files. A second call does nothing."""
    global _installed
    if _installed:
        return
    _installed = True
    wire.install()
    names.install(wire.woken_late_ns)
    pool.install(wire.woken_late_ns)
    garbage.install()
    protocols.install()
    if Order.from_environment() is not None or _is_worker():
        # What plain Locust keeps for whoever has started it is none of ours; what a worker tells perflab's master is.
        discretion.install()
    outside = OutsideExceptions()
    outside.install()
    in_flight, lost = InFlight(), LostTime(wire.woken_late_ns)
    in_flight.watch_clients()
    watch_sleepers(lost.sleeps_late_s, wire.woken_late_ns)

    # Nothing is opened before the runner exists, because --processes forks between import and init.
    @events.init.add_listener
    def on_init(environment: Environment, **_: Any) -> None:
        outside.attach()
        for hook in (events.test_stopping, events.test_stop, events.quitting, events.quit):
            outside.contain(hook)
        runner, order = environment.runner, Order.from_environment()
        is_master = isinstance(runner, MasterRunner)
        duet = None
        if order is not None and order.sides and not is_master:
            # Workers count from 0, each with users of its own.
            duet = Duet(order.sides, first=getattr(runner, "worker_index", 0) % len(order.sides))
            duet.install()
        if order is not None or isinstance(runner, WorkerRunner):
            AllowedHosts(environment, by_hand=order is None).install()
        tally = LocustTally(environment)
        tally.install()
        if not is_master:
            garbage.spare_users(environment)
        source = None if is_master else Source(environment, in_flight, lost, tally, duet)
        if source is not None and isinstance(runner, WorkerRunner):
            Worker(environment, source, order, outside).start()
            return
        exporter = _open_exporter(order)
        if order is not None:
            role = (
                Master(environment, order, exporter, outside, tally)
                if source is None
                else Alone(environment, order, exporter, outside, source)
            )
            role.start()
        elif exporter is not None:
            from perflab.record.observer import Observer

            Observer(environment, exporter, source).start()
        else:
            raise SystemExit("perflab's recorder writes only for perflab: start the run with perflab sweep or run")


def attach_where_wanted(port: int | None = None, host: str | None = None) -> None:
    """See `perflab.record.observe`."""
    for variable, value in ((PORT_VARIABLE, port), (HOST_VARIABLE, host)):
        if value:
            os.environ.setdefault(variable, str(value))
    if _is_worker() or os.environ.get(PORT_VARIABLE):
        install()


def _is_worker() -> bool:
    return "--worker" in sys.argv or any(os.environ.get(name) for name in _WORKER_VARIABLES)


def _open_exporter(order: Order | None) -> Exporter | None:
    port = os.environ.get(PORT_VARIABLE)
    if not port:
        return None
    from perflab.record.exporter import Exporter, LoadTest

    host = os.environ.get(HOST_VARIABLE) or "127.0.0.1"
    try:
        return Exporter(
            LoadTest(order.limits_ms, **order.names) if order else LoadTest(sweep_id="", run=""), host, int(port)
        )
    except (OSError, ValueError) as error:
        # From perflab's side the port was free when the sweep began.
        raise SystemExit(f"{PORT_VARIABLE}={port} can't be listened on at {host}: {error}") from None
