"""Two kinds of users against the small target. Writes down what Locust itself saw, if told where.

TRUTH_FILE receives Locust's own count of requests and every latency, unrounded.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from locust import FastHttpUser, HttpUser, constant, events, task
from locust.env import Environment

HOSTILE = 'a,"b"\n<script>x</script> $x^{ \u2028\ud800 _'
seen: list[dict[str, Any]] = []
environments: list[Environment] = []


@events.init.add_listener
def on_init(environment: Environment, **_: Any) -> None:
    environments.append(environment)


@events.request.add_listener
def on_request(name: str, response_time: float, start_time: float, exception: object = None, **_: Any) -> None:
    seen.append({"name": name, "ms": response_time, "start": start_time, "ok": exception is None})


@events.quit.add_listener
def on_quit(**_: Any) -> None:
    if "TRUTH_FILE" in os.environ:
        count = environments[0].stats.total.num_requests
        Path(os.environ["TRUTH_FILE"]).write_text(
            json.dumps({"locust_count": count, "requests": seen, "hostile": HOSTILE})
        )


class FastUser(FastHttpUser):
    weight = 2
    wait_time = constant(0.02)

    @task(20)
    def varied(self) -> None:
        self.client.get("/varied")

    @task(1)
    def broken(self) -> None:
        self.client.get("/broken?token=topsecret")

    @task(1)
    def hostile(self) -> None:
        self.client.get("/health", name=HOSTILE)


class SlowClientUser(HttpUser):
    wait_time = constant(0.05)

    @task
    def varied(self) -> None:
        self.client.post("/varied", data="x")
