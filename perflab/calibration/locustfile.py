"""The users that a calibration offers. Locust reads this file by its path; nothing imports it.

``PERFLAB_CALIBRATE_CLIENT`` names the client, HttpUser or FastHttpUser, and ``PERFLAB_CALIBRATE_THINK`` the shortest
and the longest think time in seconds (``1,3``).
"""

from __future__ import annotations

import os
import random
from typing import Any

import gevent
from locust import FastHttpUser, HttpUser, between, task

_CLIENTS: dict[str, Any] = {"HttpUser": HttpUser, "FastHttpUser": FastHttpUser}
_Client: Any = _CLIENTS[os.environ["PERFLAB_CALIBRATE_CLIENT"]]
_MIN_THINK_S, _MAX_THINK_S = (float(part) for part in os.environ["PERFLAB_CALIBRATE_THINK"].split(","))
# Locust starts all users of a second at once. On a steep ramp they would queue for the client with their first
# requests, and what is found would be the limit of starting users.
_SPREAD_S = 1.0


class User(_Client):  # type: ignore[misc]
    """Asks for the same page again and again, thinking in between."""

    wait_time = between(_MIN_THINK_S, _MAX_THINK_S)

    def on_start(self) -> None:
        """Begin at some moment of the second."""
        gevent.sleep(random.uniform(0, _SPREAD_S))

    @task
    def get(self) -> None:
        """Ask the server of known latency."""
        self.client.get("/")
