"""Custom clients that tell Locust of their requests in every way that it takes, and a listener that ends an event."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, User, constant, events, task
from locust.exception import RescheduleTask
from locust.runners import MasterRunner

# Locust imports a locustfile by its path.
sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.parts.hostile_cases import CASES


@events.request.add_listener
def on_request(exception: object, **_: Any) -> None:
    if isinstance(exception, Exception):
        raise RescheduleTask


class Custom(User):
    fixed_count = 1
    wait_time = constant(0.01)

    @task
    def tell(self) -> None:
        for name, fields in CASES.items():
            told = {key: value() if callable(value) else value for key, value in fields.items()}
            event = {"request_type": "X", "name": name, "response_length": 0, "exception": None, "context": {}}
            self.environment.events.request.fire(**(event | told))


class Web(FastHttpUser):
    wait_time = constant(0.02)

    @task
    def missing(self) -> None:
        self.client.get("/missing")

    @task
    def health(self) -> None:
        self.client.get("/health")


@events.test_start.add_listener
def on_test_start(environment: Any, **_: Any) -> None:
    # Not the master, whose statistics are those of all workers.
    if not isinstance(environment.runner, MasterRunner):
        gevent.spawn_later(1.5, environment.stats.reset_all)
        gevent.spawn_later(2.5, environment.stats.clear_all)
