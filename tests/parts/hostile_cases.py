"""What `hostile_locustfile` puts into its events, by name; a function is asked each time."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

CASES: dict[str, dict[str, Any]] = {
    "no time": {"response_time": None},
    "no time, started": {"response_time": None, "start_time": time.time},
    "negative": {"response_time": -3.0},
    "milliseconds": {"response_time": 5.0, "start_time": lambda: time.time() * 1000},
    "seconds": {"response_time": 5.0, "start_time": time.time},
    "text as status": {"response_time": 5.0, "response": SimpleNamespace(status_code="OK")},
    # The last, because its event ends the task.
    "text as status, failed": {
        "response_time": 5.0,
        "response": SimpleNamespace(status_code="BROKEN"),
        "exception": Exception("broken"),
    },
}
TIMED = {name for name, fields in CASES.items() if fields["response_time"] == 5.0}
