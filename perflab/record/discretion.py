"""Locust's own files and its log without secrets.

Whatever a locustfile puts into a failure, raises or prints goes into Locust's CSV files, its HTML report and its log: a
request's headers with their token and cookie, as often as not.
"""

from __future__ import annotations

import sys
from functools import lru_cache, wraps
from typing import Any, TextIO

from locust.runners import Runner
from locust.stats import RequestStats, StatsError

from perflab.redact import redact

# Texts repeat, and a broken target must not cost the generator its time.
_redacted = lru_cache(maxsize=1024)(redact)


def install() -> None:
    """Take secrets out of failures, exceptions and all that is printed, from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None:
            setattr(sys, name, RedactedLines(stream))
    RequestStats.log_error = _discreet_error(RequestStats.log_error)  # type: ignore[method-assign]
    Runner.log_exception = _discreet_exception(Runner.log_exception)  # type: ignore[method-assign]


class RedactedLines:
    """A text stream that is written to a line at a time, each without what looks like a secret."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        """Write the lines that are whole by now."""
        whole, newline, self._begun = (self._begun + text).rpartition("\n")
        if newline:
            self._stream.write("".join(f"{redact(line)}\n" for line in whole.split("\n")))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _discreet_error(log_error: Any) -> Any:
    @wraps(log_error)
    def log(stats: RequestStats, method: str, name: str, error: Exception | str | None) -> None:
        log_error(stats, method, name, _redacted(StatsError.parse_error(error)))

    return log


def _discreet_exception(log_exception: Any) -> Any:
    @wraps(log_exception)
    def log(runner: Runner, node_id: str, msg: str, formatted_tb: str) -> None:
        log_exception(runner, node_id, _redacted(msg), "\n".join(map(_redacted, formatted_tb.split("\n"))))

    return log
