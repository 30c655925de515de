"""A Locust process that makes requests: everything it records, as one batch per second."""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import Any

from gevent import getcurrent
from locust.env import Environment

from perflab.record.clients import InFlight
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

# Anything beyond this (eleven days) isn't a latency, but a time of day, for instance.
MAX_LATENCY_MS = 1e9
# A client reads the clock of the day, which may be adjusted a little; nothing begins before the recorder or after now.
CLOCK_SLACK_S = 1.0
NO_ANSWER = "no answer until the run was over"


class Source:
    """Listens to the requests of this process; `take_batch` returns what was recorded."""

    def __init__(
        self,
        environment: Environment,
        in_flight: InFlight,
        lost: LostTime,
        tally: LocustTally,
        duet: Duet | None = None,
    ) -> None:
        self.faults = Faults()
        """Exceptions in here, and in the code that delivers the batches of this source."""
        self._environment = environment
        self._in_flight = in_flight
        self._lost = lost
        self._tally = tally
        self._duet = duet
        self._counts = Counts()
        self._cells = self._counts.cells
        self._note_odd = self.faults.guard(self._note)
        self.note_health = self.faults.guard(self._note_health)
        self._try_to_note_cut_off = self.faults.guard(self._note_cut_off)
        self._lag = LoopLag()
        self._use = ProcessUse()
        self._clock = ClockWatch()
        self._health: list[HealthRow] = []
        self._noted_second: int | None = None
        self._noted_users = 0
        self._unanswered = 0
        self._misdated = 0
        self._task_exceptions = 0
        self._clock_step_ms = 0.0
        self._latency: list[LatencyRow] = []
        self._earliest = time.time() - CLOCK_SLACK_S

    def listen(self) -> None:
        """Listen to this environment's events from now on."""
        listen = self._environment.events
        listen_first(listen.request, self._on_request)
        listen_first(listen.user_error, self._on_user_error)

    def _note_health(self, second: int) -> None:
        """Add rows of ``generator.csv`` for the time since the last one, up to epoch second `second`.

        There are several if the process was held up for some seconds, each with an equal part of what was lost.
        """
        runner = self._environment.runner
        users, wanted = (runner.user_count, runner.target_user_count) if runner else (0, 0)
        use = self._use.take()
        lags = self._lag.take()
        unstamped = self._counts.unstamped
        self._latency += self._counts.take_latency()
        lost = self._lost.take(self._counts.overheads_ms, use, self._counts.unstamped - unstamped, lags)
        self._clock_step_ms = max(self._clock_step_ms, self._clock.take())
        since = second - 1 if self._noted_second is None else self._noted_second
        # No more than by the monotonic clock: the clock of the day may have been set.
        seconds = max(1, min(second - since, 1 + math.ceil(use.elapsed_s)))
        if seconds > 1:
            # No user could come or go meanwhile; by now the run may be over and all users gone.
            users = max(users, self._noted_users)
        self._noted_second, self._noted_users = second, users
        lag, overhead = Counter(lags), Counter(lost.overheads_ms)
        row = HealthRow(
            second=second,
            users=users,
            in_flight=len(self._in_flight),
            cpu_percent=round(use.cpu_percent, 1),
            lag_ms=round(lags[-1], 2),
            rss_mb=round(use.rss_mb, 1),
            users_wanted=wanted,
            lag_p50_ms=round(quantile(lag, 0.5) or 0.0, 2),
            lag_p90_ms=round(quantile(lag, 0.9) or 0.0, 2),
            client_overhead_p50_ms=round(quantile(overhead, 0.5) or 0.0, 2),
            client_overhead_p99_ms=round(quantile(overhead, 0.99) or 0.0, 2),
            lost_s=round(lost.to_generator_s / seconds, 4),
            client_waits_s=round(lost.to_client_s / seconds, 4),
        )
        self._health += [row._replace(second=each) for each in range(second - seconds + 1, second + 1)]

    def take_batch(
        self, *, until: float | None = None, last: bool = False, exceptions: dict[str, int] | None = None
    ) -> Batch:
        """Return everything since the last batch.

        `until` is the planned end (epoch seconds) once it is known: a request that was cut off counts as unanswered if
        it began before. With `last`, requests in flight are given up. `exceptions` are those outside of requests and
        tasks, by text.
        """
        self._try_to_note_cut_off(until, last)
        health, self._health = self._health, []
        latency, self._latency = [*self._latency, *self._counts.take_latency()], []
        totals = Totals.model_construct(
            requests_finished=self._counts.total,
            locust_finished=self._tally.requests,
            stats_resets=self._tally.resets,
            unanswered=self._unanswered,
            unstamped=self._counts.unstamped,
            untimed=self._counts.untimed,
            misdated=self._misdated,
            misrouted=self._duet.misrouted if self._duet is not None else 0,
            task_exceptions=self._task_exceptions,
            clock_step_ms=self._clock_step_ms,
            exceptions=exceptions or {},
            recorder_faults=self.faults.count,
            recorder_fault=self.faults.first,
        )
        return Batch(latency, self._counts.take_failures(), health, totals, last)

    def _note_cut_off(self, until: float | None, last: bool) -> None:
        for began, method, name, user_class in self._in_flight.take_cut_off(give_up=last):
            # Locust may kill a user that begins a request after the planned end, which is not part of the run.
            if until is None or began < until:
                self._unanswered += 1
                self._counts.add_unanswered(int(began), method, name, user_class, (time.time() - began) * 1000)
                self._counts.add_failure(int(began), method, name, UNANSWERED, "", NO_ANSWER, user_class)

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
        # The usual case is inlined, because the generator's time is precious: a request of Locust's own client, with a
        # single response on an open connection, and like another one in the same second. Nothing is changed until it is
        # certain that this is the usual case. Everything else is up to _note.
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
        except Exception:  # noqa: S110 - then it isn't the usual case
            pass
        self._note_odd(request_type, name, response_time, exception, response, start_time)

    def _note(
        self,
        request_type: object,
        name: object,
        response_time: object,
        exception: object,
        response: object,
        start: object,
    ) -> None:
        """Count any finished request, whatever a locustfile has put into its event."""
        now = time.time()
        latency_ms, start_time = as_latency(response_time), self._as_start(start, now)
        measured = take_exchange(start_time, latency_ms)
        if start_time is None:
            # Custom clients may leave it out.
            start_time = now - (latency_ms or 0.0) / 1000
        second, method, called = int(start_time), name_of(request_type), name_of(name)
        outcome, status = classify(response, exception)
        if outcome != "ok":
            if not status:
                # No response, or only a part of it: the time of the last byte means nothing.
                measured = None
            message = message_of(exception)
            self._counts.add_failure(second, method, called, outcome, str(status or ""), message, current_user_class())
        self._counts.note((second, method, called, outcome, status, current_user_class()), latency_ms, measured)

    def _as_start(self, start: object, now: float) -> float | None:
        """Return when a request began in epoch seconds, None if its event has no usable start."""
        if start is None:
            return None
        start_time = as_number(start)
        if start_time is not None and self._earliest <= start_time <= now + CLOCK_SLACK_S:
            return start_time
        # In milliseconds, for instance, or by another clock.
        self._misdated += 1
        return None

    def _on_user_error(self, **_: Any) -> None:
        self._task_exceptions += 1


def as_latency(response_time: object) -> float | None:
    """Return an event's response time in ms, None if it is unusable."""
    latency_ms = as_number(response_time)
    return latency_ms if latency_ms is not None and 0.0 <= latency_ms < MAX_LATENCY_MS else None


def as_number(value: object) -> float | None:
    """Return a value of any type as a number; None for a text, and for anything that is not a number."""
    try:
        return None if isinstance(value, (str, bytes, bytearray)) else float(value)  # type: ignore[arg-type]
    except Exception:
        return None
