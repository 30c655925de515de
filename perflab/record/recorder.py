"""Attaches the recorder to a Locust process, in the role that the process has."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from perflab.record import tuning, wire
from perflab.record.clients import AllowedHosts, InFlight
from perflab.record.coordinator import Master, Standalone
from perflab.record.exceptions import OutsideExceptions
from perflab.record.health import LostTime
from perflab.record.locust_statistics import LocustTally, redact_statistics
from perflab.record.source import Source
from perflab.record.users import Duet, watch_sleepers
from perflab.record.worker import Observer, Worker
from perflab.store.recorder_protocol import RunConfiguration

if TYPE_CHECKING:
    from perflab.record.exporter import Exporter

PORT_VARIABLE, HOST_VARIABLE = "LOAD_TEST_PROMETHEUS_PORT", "LOAD_TEST_PROMETHEUS_HOST"
_WORKER_VARIABLES = ("LOCUST_WORKER", "LOCUST_MODE_WORKER")


@cache
def install() -> None:
    """Attach a recorder to Locust's events; called while Locust reads its ``-f`` files. A second call does nothing."""
    wire.install()
    tuning.install(wire.woken_late_ns)
    if RunConfiguration.from_environment() is not None or is_worker():
        # Plain Locust's own files are its user's business, but what a worker reports to perflab's master isn't.
        redact_statistics()
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
        runner, configuration = environment.runner, RunConfiguration.from_environment()
        is_master = isinstance(runner, MasterRunner)
        duet = None
        if configuration is not None and configuration.sides and not is_master:
            # Workers are numbered from 0.
            duet = Duet(configuration.sides, first=getattr(runner, "worker_index", 0) % len(configuration.sides))
            duet.install()
        sides = [side.host for side in configuration.sides] if configuration is not None else []
        hosts = AllowedHosts(environment, by_hand=configuration is None, sides=sides)
        if configuration is not None or isinstance(runner, WorkerRunner):
            hosts.install()
        tally = LocustTally(environment)
        tally.install()
        if not is_master:
            tuning.spare_users(environment)
        source = None if is_master else Source(environment, in_flight, lost, tally, hosts, duet)
        if source is not None and isinstance(runner, WorkerRunner):
            Worker(environment, source, configuration, outside).start()
            return
        exporter = _open_exporter(configuration)
        if configuration is not None:
            role = (
                Master(environment, configuration, exporter, outside, tally)
                if source is None
                else Standalone(environment, configuration, exporter, outside, source)
            )
            role.start()
        elif exporter is not None:
            Observer(environment, exporter, source).start()
        else:
            raise SystemExit("perflab's recorder writes only for perflab: start the run with perflab sweep or run")


def is_worker() -> bool:
    """Return whether this process is started as a worker."""
    return "--worker" in sys.argv or any(os.environ.get(name) for name in _WORKER_VARIABLES)


def _open_exporter(configuration: RunConfiguration | None) -> Exporter | None:
    port = os.environ.get(PORT_VARIABLE)
    if not port:
        return None
    from perflab.record.exporter import Exporter, LoadTest

    host = os.environ.get(HOST_VARIABLE) or "127.0.0.1"
    load_test = (
        LoadTest(configuration.limits_ms, **configuration.names) if configuration else LoadTest(sweep_id="", run="")
    )
    try:
        return Exporter(load_test, host, int(port))
    except (OSError, ValueError) as error:
        # The port was free when the sweep began.
        raise SystemExit(f"{PORT_VARIABLE}={port} can't be listened on at {host}: {error}") from None
