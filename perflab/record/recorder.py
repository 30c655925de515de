"""The recorder: listens to Locust's events, writes the run's tables once a second, and ends the run on time."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from perflab.record.counts import Counts
from perflab.record.health import InFlight, LoopLag, ProcessUse
from perflab.record.outcome import classify, message_of
from perflab.store.handover import Answer, Order, read_answers, write_answer
from perflab.store.layout import RunDir
from perflab.store.tables import TableWriter


def install() -> None:
    """Attach a recorder to Locust's events; called while Locust reads its ``-f`` files."""
    in_flight = InFlight()
    in_flight.watch_clients()

    # The tables are opened once the runner exists, because --processes forks between import and init.
    @events.init.add_listener
    def on_init(environment: Environment, **_: Any) -> None:
        Recorder(environment, Order.from_environment(), in_flight).start()


class Recorder:
    """Records the requests of one Locust process."""

    def __init__(self, environment: Environment, order: Order, in_flight: InFlight) -> None:
        self._environment = environment
        self._order = order
        self._in_flight = in_flight
        self._run = RunDir(Path(order.run_dir))
        self._latency = TableWriter(self._run.latency)
        self._failures = TableWriter(self._run.failures)
        self._generator = TableWriter(self._run.generator)
        self._is_worker = isinstance(environment.runner, WorkerRunner)
        self._makes_requests = not isinstance(environment.runner, MasterRunner)
        source = f"process-{os.getpid()}" if self._is_worker else ("local" if self._makes_requests else "master")
        self._answer = Answer(source=source)
        self._counts = Counts(source)
        self._lag = LoopLag()
        self._use = ProcessUse()
        self._parent = os.getppid()
        self._reported = 0
        self._last_health = -1

    def start(self) -> None:
        """Listen to this environment's events from now on."""
        listen = self._environment.events
        listen.request.add_listener(self._on_request)
        listen.user_error.add_listener(self._on_user_error)
        listen.test_start.add_listener(self._on_test_start)
        listen.spawning_complete.add_listener(self._on_spawning_complete)
        listen.report_to_master.add_listener(self._on_report_to_master)
        listen.quit.add_listener(self._on_quit)
        if self._environment.shape_class is not None:
            self._answer.error = "the locustfile defines a LoadTestShape, which would override the planned users"
            write_answer(self._run.path, self._answer)
            raise SystemExit(1)
        gevent.spawn(self._write_every_second)

    def _on_test_start(self, **_: Any) -> None:
        self._answer.start = self._common_start()
        write_answer(self._run.path, self._answer)

    def _on_request(
        self,
        request_type: str,
        name: str,
        response_time: float,
        exception: object = None,
        response: Any = None,
        start_time: float | None = None,
        **_: Any,
    ) -> None:
        # Custom clients may leave the start out.
        began = start_time if start_time is not None else time.time() - response_time / 1000
        second = max(0, int(began - (self._answer.start or began)))
        if exception is None:
            self._counts.add(second, request_type, name, "ok", response_time)
        else:
            outcome, status = classify(response, exception)
            self._counts.add(second, request_type, name, outcome, response_time)
            self._counts.add_failure(second, request_type, name, outcome, status, message_of(exception))

    def _on_user_error(self, **_: Any) -> None:
        self._answer.task_exceptions += 1

    def _on_report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        # A worker's own statistics start from zero after each report.
        self._reported += data["stats_total"]["num_requests"]

    def _on_spawning_complete(self, user_count: int, **_: Any) -> None:
        self._answer.users_reached = max(self._answer.users_reached, user_count)
        if not self._is_worker and user_count >= self._order.users and self._answer.window_end is None:
            # Whole seconds, because a sample knows only the second in which its request began.
            self._answer.window_start = math.ceil(self._elapsed() + self._order.settle_s)
            self._answer.window_end = self._answer.window_start + math.ceil(self._order.duration_s)
            gevent.spawn_later(self._answer.window_end - self._elapsed(), self._end_run)
        write_answer(self._run.path, self._answer)

    def _end_run(self) -> None:
        runner = self._environment.runner
        if runner is not None:
            self._answer.window_over = True
            # Users that died or stopped on the way are not replaced: the load was not the planned one.
            self._answer.users_reached = min(self._answer.users_reached, runner.user_count)
            runner.quit()

    def _on_quit(self, **_: Any) -> None:
        self._write_tables()
        self._answer.in_flight_at_end = self._in_flight.unanswered(until=self._planned_end())
        if self._makes_requests:
            self._answer.requests_finished = self._reported + self._environment.stats.total.num_requests
        self._answer.end = time.time()
        write_answer(self._run.path, self._answer)

    def _write_every_second(self) -> None:
        while True:
            elapsed = self._elapsed()
            gevent.sleep(math.floor(elapsed) + 1 - elapsed)
            if os.getppid() != self._parent:
                # Whoever started this process is gone: nobody waits for the result, and load must not go on.
                self._write_tables()
                os._exit(1)
            if self._answer.start is not None:
                self._write_tables()
                if self._makes_requests:
                    self._write_health(int(self._elapsed()) - 1)

    def _write_tables(self) -> None:
        self._latency.append(self._counts.take_latency())
        self._failures.append(self._counts.take_failures())
        self._answer.requests_recorded = self._counts.total

    def _write_health(self, second: int) -> None:
        if second <= self._last_health:
            return
        self._last_health = second
        users = self._environment.runner.user_count if self._environment.runner else 0
        cpu, rss = self._use.take()
        row = (
            second,
            self._answer.source,
            users,
            self._in_flight.now,
            f"{cpu:.1f}",
            f"{self._lag.take():.2f}",
        )
        self._generator.append([(*row, f"{rss:.1f}")])

    def _planned_end(self) -> float:
        if self._answer.start is None or self._answer.window_end is None:
            return math.inf
        return self._answer.start + self._answer.window_end

    def _elapsed(self) -> float:
        return time.time() - self._answer.start if self._answer.start is not None else 0.0

    def _common_start(self) -> float:
        """Return the run's start: the master's for its workers, so that their seconds are the same seconds."""
        if self._is_worker:
            for answer in read_answers(self._run.path):
                if answer.source == "master" and answer.start is not None:
                    return answer.start
        return time.time()
