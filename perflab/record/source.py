"""One Locust process that makes requests: what it counts, and a batch of it every second."""

from __future__ import annotations

import time
from typing import Any

from gevent import getcurrent
from locust.env import Environment

from perflab.record.clients import InFlight, current_user_class
from perflab.record.counts import UNANSWERED, Counts, Row
from perflab.record.delivery import Batch
from perflab.record.duet import Duet
from perflab.record.exchange import take_exchange
from perflab.record.health import ClockWatch, LoopLag, LostTime, ProcessUse, quantile
from perflab.record.outcome import classify, message_of

NO_ANSWER = "no answer until the run was over"


class Source:
    """Listens to the requests of this process; `take_batch` hands over what there is."""

    def __init__(self, environment: Environment, in_flight: InFlight, lost: LostTime, duet: Duet | None = None) -> None:
        self._environment = environment
        self._in_flight = in_flight
        self._lost = lost
        self._duet = duet
        self._counts = Counts()
        self._note = self._counts.note
        self._lag = LoopLag()
        self._use = ProcessUse()
        self._clock = ClockWatch()
        self._health: list[Row] = []
        self._reported = 0
        self._unanswered = 0
        self._task_exceptions = 0
        self._clock_step_ms = 0.0
        self._latency: list[Row] = []

    def listen(self) -> None:
        """Listen to this environment's events from now on."""
        listen = self._environment.events
        listen.request.add_listener(self._on_request)
        listen.user_error.add_listener(self._on_user_error)
        listen.report_to_master.add_listener(self._on_report_to_master)

    def note_health(self, second: int) -> None:
        """Add a row of ``generator.csv`` about the time since the last one, which is epoch second `second`."""
        runner = self._environment.runner
        users, wanted = (runner.user_count, runner.target_user_count) if runner else (0, 0)
        cpu, rss = self._use.take()
        lags = self._lag.take()
        unstamped = self._counts.unstamped
        self._latency += self._counts.take_latency()
        lost_s, behind = self._lost.take(self._counts.behind_ms)
        # Without a wire time the loop's lag is the best that is known of the generator's share.
        lost_s += (self._counts.unstamped - unstamped) * sum(lags) / len(lags) / 1000
        self._clock_step_ms = max(self._clock_step_ms, self._clock.take())
        figures = (
            f"{cpu:.1f}",
            f"{lags[-1]:.2f}",
            f"{rss:.1f}",
            wanted,
            f"{quantile(lags, 0.5):.2f}",
            f"{quantile(lags, 0.9):.2f}",
            f"{quantile(behind, 0.5):.2f}",
            f"{quantile(behind, 0.99):.2f}",
            f"{lost_s:.4f}",
        )
        self._health.append((second, users, len(self._in_flight), *figures))

    def take_batch(self, *, until: float | None = None, last: bool = False) -> Batch:
        """Return everything since the last batch.

        `until` is the planned end (epoch seconds) once it is known: a request that was cut off counts as unanswered
        if it began before. With `last`, what is still under way is given up.
        """
        for began, method, name, user_class in self._in_flight.take_cut_off(give_up=last):
            # Locust may kill a user that wakes up from its think time just then: that is not part of the plan.
            if until is None or began < until:
                self._unanswered += 1
                self._counts.add_unanswered(int(began), method, name, user_class, (time.time() - began) * 1000)
                self._counts.add_failure(int(began), method, name, UNANSWERED, "", NO_ANSWER, user_class)
        health, self._health = self._health, []
        latency, self._latency = [*self._latency, *self._counts.take_latency()], []
        return Batch(
            latency=latency,
            failures=self._counts.take_failures(),
            generator=health,
            finished=self._counts.total,
            locust_finished=self._reported + self._environment.stats.total.num_requests,
            unanswered=self._unanswered,
            unstamped=self._counts.unstamped,
            task_exceptions=self._task_exceptions,
            clock_step_ms=self._clock_step_ms,
            strayed=self._duet.strayed if self._duet is not None else 0,
            last=last,
        )

    def _on_request(
        self,
        request_type: str,
        name: str,
        response_time: float,
        exception: object = None,
        response: Any = None,
        start_time: float | None = None,
        response_length: object = None,  # noqa: ARG002 - named ones cost less than to collect them in a dict
        context: object = None,  # noqa: ARG002
        url: object = None,  # noqa: ARG002
        **_: Any,
    ) -> None:
        measured = take_exchange(start_time, response_time)
        if start_time is None:
            # Custom clients may leave it out.
            start_time = time.time() - response_time / 1000
        status: str | int
        if exception is None:
            outcome = "ok"
            try:
                status = response.status_code
            except AttributeError:
                status = ""
            if type(status) is not int:
                # No answer of HTTP: what a client of the locustfile's own means by it, nobody knows.
                status = ""
        else:
            outcome, status = classify(response, exception)
            if not status:
                # Nothing came back, or not all of it: when the last byte came says nothing.
                measured = None
        try:
            user_class = getcurrent().perflab_user_class
        except AttributeError:
            user_class = current_user_class()
        if exception is not None:
            message = message_of(exception)
            self._counts.add_failure(int(start_time), request_type, name, outcome, str(status), message, user_class)
        self._note((start_time, request_type, name, outcome, status, user_class, response_time, measured))

    def _on_user_error(self, **_: Any) -> None:
        self._task_exceptions += 1

    def _on_report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        # A worker's own statistics start from zero after each report.
        self._reported += data["stats_total"]["num_requests"]
