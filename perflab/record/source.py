"""A Locust process that makes requests: everything it records, as one batch per second."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import Any

from gevent import getcurrent
from locust.env import Environment

from perflab.record.clients import AllowedHosts, InFlight
from perflab.record.counts import OF_CLIENT, OF_WIRE, Counts
from perflab.record.delivery import Batch, LatencyRow
from perflab.record.exchange import take_exchange
from perflab.record.health import ClockWatch, LoopLag, LostTime, ProcessUse
from perflab.record.locust_statistics import LocustTally
from perflab.record.outcome import UNANSWERED, classify, message_of, name_of
from perflab.record.role import Faults, listen_first
from perflab.record.users import Duet, current_user_class
from perflab.store.recorder_protocol import Totals
from perflab.store.tables import HealthRow, quantile

# Anything above this (eleven days) is not a latency; it may be a timestamp, for instance.
MAX_LATENCY_MS = 1e9
# Tolerance for small adjustments of the wall clock: no request starts before the recorder does, or in the future.
CLOCK_SLACK_S = 1.0
NO_ANSWER = "no answer until the run was over"


class Source:
    """Records the requests of this process; `take_batch` returns what was recorded since the last call."""

    def __init__(
        self,
        environment: Environment,
        in_flight: InFlight,
        lost: LostTime,
        tally: LocustTally,
        hosts: AllowedHosts,
        duet: Duet | None = None,
    ) -> None:
        self.faults = Faults()
        """Exceptions in this class and in the code that delivers its batches."""
        self.begun = False
        """Whether a test has started."""
        self._environment = environment
        self._in_flight = in_flight
        self._lost = lost
        self._tally = tally
        self._hosts = hosts
        self._duet = duet
        self._counts = Counts()
        self._cells = self._counts.cells
        self._record_guarded = self.faults.guard(self._record_request)
        self.note_health = self.faults.guard(self._note_health)
        self._record_cut_off_guarded = self.faults.guard(self._record_cut_off)
        self._loop_lag = LoopLag()
        self._process_use = ProcessUse()
        self._clock_watch = ClockWatch()
        self._health: list[HealthRow] = []
        self._last_health_second: int | None = None
        self._last_users = 0
        self._unanswered = 0
        self._start_corrected = 0
        self._task_exceptions = 0
        self._clock_step_ms = 0.0
        self._latency: list[LatencyRow] = []
        self._earliest_start = time.time() - CLOCK_SLACK_S

    def listen(self) -> None:
        """Start listening to this environment's events."""
        events = self._environment.events
        listen_first(events.test_start, self._on_test_start)
        listen_first(events.request, self._on_request)
        listen_first(events.user_error, self._on_user_error)

    def _note_health(self, second: int) -> None:
        """Add the rows of ``generator.csv`` since the last call, up to and including epoch second `second`.

        Normally that is one row. If the process was blocked for several seconds, each of them gets a row, with an equal
        share of the lost time.
        """
        runner = self._environment.runner
        users, users_wanted = (runner.user_count, runner.target_user_count) if runner else (0, 0)
        process_use = self._process_use.take()
        lags = self._loop_lag.take()
        without_wire_time_before = self._counts.without_wire_time
        self._latency += self._counts.take_latency()
        lost = self._lost.take(
            self._counts.overheads_ms, process_use, self._counts.without_wire_time - without_wire_time_before, lags
        )
        self._clock_step_ms = max(self._clock_step_ms, self._clock_watch.take())
        previous = second - 1 if self._last_health_second is None else self._last_health_second
        # No more than passed on the monotonic clock: the wall clock may have been set.
        seconds = max(1, min(second - previous, 1 + math.ceil(process_use.elapsed_s)))
        if seconds > 1:
            # No user could start or stop in the meantime, but by now the run may be over and all users stopped.
            users = max(users, self._last_users)
        self._last_health_second, self._last_users = second, users
        lag_counts, overhead_counts = Counter(lags), Counter(lost.overheads_ms)
        row = HealthRow(
            second=second,
            users=users,
            in_flight=len(self._in_flight),
            cpu_percent=round(process_use.cpu_percent, 1),
            lag_ms=round(lags[-1], 2),
            rss_mb=round(process_use.rss_mb, 1),
            users_wanted=users_wanted,
            lag_p50_ms=round(quantile(lag_counts, 0.5) or 0.0, 2),
            lag_p90_ms=round(quantile(lag_counts, 0.9) or 0.0, 2),
            client_overhead_p50_ms=round(quantile(overhead_counts, 0.5) or 0.0, 2),
            client_overhead_p99_ms=round(quantile(overhead_counts, 0.99) or 0.0, 2),
            lost_s=round(lost.to_generator_s / seconds, 4),
            client_waits_s=round(lost.to_client_s / seconds, 4),
        )
        self._health += [row._replace(second=each) for each in range(second - seconds + 1, second + 1)]

    def take_batch(
        self, *, until: float | None = None, last: bool = False, exceptions: dict[str, int] | None = None
    ) -> Batch:
        """Return everything since the last batch.

        `until` is the planned end (epoch seconds) once it is known: a request that was cut off counts as unanswered if
        it started before then. `last` says that this is the final batch: requests still in flight count as cut off.
        `exceptions` counts the exceptions raised outside of requests and tasks, by text.
        """
        self._record_cut_off_guarded(until, last)
        health, self._health = self._health, []
        latency, self._latency = [*self._latency, *self._counts.take_latency()], []
        totals = Totals.model_construct(
            requests_finished=self._counts.total,
            locust_finished=self._tally.requests,
            stats_resets=self._tally.resets,
            unanswered=self._unanswered,
            without_wire_time=self._counts.without_wire_time,
            without_latency=self._counts.without_latency,
            start_corrected=self._start_corrected,
            misrouted=self._duet.misrouted if self._duet is not None else 0,
            other_hosts=dict(self._hosts.other_hosts),
            asked_target=int(self._hosts.target_asked),
            task_exceptions=self._task_exceptions,
            clock_step_ms=self._clock_step_ms,
            exceptions=exceptions or {},
            recorder_faults=self.faults.count,
            recorder_fault=self.faults.first,
        )
        return Batch(latency, self._counts.take_failures(), health, totals, last)

    def _record_cut_off(self, until: float | None, last: bool) -> None:
        for started, method, name, user_class in self._in_flight.take_cut_off(give_up=last):
            # Locust may kill a user in a request that started after the planned end: that is not part of the run.
            if until is None or started < until:
                self._unanswered += 1
                self._counts.add_unanswered(int(started), method, name, user_class, (time.time() - started) * 1000)
                self._counts.add_failure(int(started), method, name, UNANSWERED, "", NO_ANSWER, user_class)

    def _on_request(
        self,
        request_type: Any = "",
        name: Any = "",
        response_time: Any = None,
        exception: Any = None,
        response: Any = None,
        start_time: Any = None,
        response_length: Any = None,  # noqa: ARG002 - named parameters cost less than collecting them in a dict
        context: Any = None,  # noqa: ARG002
        url: Any = None,  # noqa: ARG002
        **_: Any,
    ) -> None:
        # This runs for every request and costs the generator time, so the usual case is inlined: a request by Locust's
        # own client, with a single response on an open connection, whose cell in `_cells` already exists. Nothing is
        # changed before all of that has been checked. _record_request handles every other case.
        try:
            exchange = getcurrent().perflab_exchange
            wire_ms = (exchange.arrived - exchange.sent) / 1e6
            if (
                exchange.under_way is not None
                and not exchange.idle
                and exchange.parts is None
                and exchange.outer is None
                and exception is None
                and type(response_time) is float
                and 0.0 < wire_ms <= response_time + 1.0 <= MAX_LATENCY_MS
            ):
                second, status = exchange.opened // 1_000_000_000, response.status_code
                cell = self._cells[second, request_type, name, "ok", status, exchange.user_class]
                exchange.idle = True
                cell[OF_CLIENT].append(response_time)
                cell[OF_WIRE].append(wire_ms)
                return
        except Exception:  # noqa: S110 - not the usual case
            pass
        self._record_guarded(request_type, name, response_time, exception, response, start_time)

    def _record_request(
        self,
        request_type: object,
        name: object,
        response_time: object,
        exception: object,
        response: object,
        start: object,
    ) -> None:
        """Record a finished request, whatever the locustfile has put into its event."""
        now = time.time()
        latency_ms, start_time = as_number(response_time), self._usable_start(start, now)
        if latency_ms is not None and not 0.0 <= latency_ms < MAX_LATENCY_MS:
            latency_ms = None
        wire_times = take_exchange(start_time, latency_ms)
        if start_time is None:
            # Custom clients may omit it.
            start_time = now - (latency_ms or 0.0) / 1000
        second, method, endpoint = int(start_time), name_of(request_type), name_of(name)
        outcome, status = classify(response, exception)
        user_class = current_user_class()
        if outcome != "ok":
            if not status:
                # No response, or an incomplete one: the arrival of its last byte is not the response time.
                wire_times = None
            message = message_of(exception)
            self._counts.add_failure(second, method, endpoint, outcome, str(status or ""), message, user_class)
        self._counts.note((second, method, endpoint, outcome, status, user_class), latency_ms, wire_times)

    def _usable_start(self, start: object, now: float) -> float | None:
        """Return a request's start in epoch seconds; None if its event has none that can be used."""
        if start is None:
            return None
        start_time = as_number(start)
        if start_time is not None and self._earliest_start <= start_time <= now + CLOCK_SLACK_S:
            return start_time
        # It may be in milliseconds, for instance, or from another clock.
        self._start_corrected += 1
        return None

    def _on_test_start(self, **_: Any) -> None:
        self.begun = True

    def _on_user_error(self, **_: Any) -> None:
        self._task_exceptions += 1


def as_number(value: object) -> float | None:
    """Return a value of any type as a number; None for strings and whatever else is not a number."""
    try:
        return None if isinstance(value, (str, bytes, bytearray)) else float(value)  # type: ignore[arg-type]
    except Exception:
        return None
