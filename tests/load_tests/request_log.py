"""Locust plugin: every finished request as one JSON line in the file that REQUEST_LOG names.

Locust's own CSV files lack the last seconds of a run.
"""

from __future__ import annotations

import json
import os
from typing import Any

import gevent
from locust import events
from locust.env import Environment


def _open_log(environment: Environment, **_: Any) -> None:
    # In append mode, since forked workers write to the same file.
    log = open(os.environ["REQUEST_LOG"], "a", buffering=1)  # noqa: PTH123, SIM115

    def write(request_type: str, name: str, response: Any, exception: Exception | None, url: str, **_: Any) -> None:
        line = {
            # The event fires in the greenlet of the user, which is as long-lived.
            "user": id(gevent.getcurrent()),
            "method": request_type,
            "name": name,
            "status": response.status_code,
            "error": repr(exception) if exception else None,
            "signed": "Authorization" in (response.request.headers if response.request else {}),
            "url": url,
        }
        log.write(json.dumps(line) + "\n")

    environment.events.request.add_listener(write)


events.init.add_listener(_open_log)
