"""Locust's own files and its log: without secrets, and of bounded size.

Whatever a locustfile puts into a name or a failure, raises or prints goes into Locust's CSV files, its HTML report and
its log: a request's headers with their token and cookie, as often as not. And Locust writes each name and each kind of
failure anew every second: with 20 000 of them it does hardly anything else.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Iterable
from functools import lru_cache, wraps
from typing import Any, TextIO

from locust.runners import Runner
from locust.stats import EntriesDict, RequestStats, StatsEntry, StatsError

from perflab.record.counts import FURTHER_MESSAGES, FURTHER_NAMES
from perflab.record.known import Known
from perflab.record.outcome import name_of
from perflab.redact import beginning, redact
from perflab.text import request_name

MOST_NAMES = MOST_ERRORS = MOST_EXCEPTIONS = 1000
FURTHER_EXCEPTIONS = "(further exceptions)"

# Texts repeat, and a broken target must not cost the generator its time.
_redacted = lru_cache(maxsize=1024)(redact)


def _brief(text: str) -> str:
    # An answer's whole body, as often as not; Locust keeps each such text, and writes it into its files.
    return _redacted(beginning(text))


def install() -> None:
    """Take secrets out of all that is printed, from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None:
            setattr(sys, name, RedactedLines(stream))


def install_in_statistics() -> None:
    """Take secrets out of the names, failures and exceptions that Locust keeps from now on, and bound their number."""
    EntriesDict.__missing__ = _listed_entry  # type: ignore[method-assign]
    RequestStats.log_error = _discreet_error(RequestStats.log_error)  # type: ignore[method-assign]
    Runner.log_exception = _discreet_exception(Runner.log_exception)  # type: ignore[method-assign]


class RedactedLines:
    """A text stream that is written to a line at a time, each without what looks like a secret."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun: list[str] = []
        atexit.register(self.end)

    def write(self, text: str) -> int:
        """Write the lines that are whole by now."""
        whole, newline, begun = text.rpartition("\n")
        if newline:
            lines = "".join([*self._begun, whole]).split("\n")
            self._begun.clear()
            self._stream.write("".join(f"{redact(line)}\n" for line in lines))
        if begun:
            self._begun.append(begun)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def end(self) -> None:
        """Write what has been begun; nothing will follow that could make it known as a secret."""
        if self._begun:
            self._stream.write(redact("".join(self._begun)))
            self._stream.flush()
            self._begun.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _listed_entry(entries: EntriesDict, key: tuple[object, object]) -> StatsEntry:
    """Return Locust's entry for a name and method that it has none for: a new one, or the one that they share."""
    name, method = (request_name(name_of(part)) for part in key)
    if (name, method) not in entries and len(entries) >= MOST_NAMES:
        name, method = FURTHER_NAMES, ""
    entry = entries.get((name, method))
    if entry is None:
        stats = entries.request_stats
        entry = entries[name, method] = StatsEntry(stats, name, method, stats.use_response_times_cache)
    return entry


def _discreet_error(log_error: Any) -> Any:
    known = Known(MOST_ERRORS, "")

    @wraps(log_error)
    def log(stats: RequestStats, method: str, name: str, error: Exception | str | None) -> None:
        entry = stats.entries[name, method]
        text = _brief(StatsError.parse_error(error))
        if not known.of(f"{entry.method} {entry.name} {text}"):
            text = FURTHER_MESSAGES
        log_error(stats, entry.method, entry.name, text)

    return log


def _discreet_exception(log_exception: Any) -> Any:
    known = Known(MOST_EXCEPTIONS, "")

    @wraps(log_exception)
    def log(runner: Runner, node_id: str, msg: str, formatted_tb: str) -> None:
        trace = known.of("\n".join(map(_brief, formatted_tb.split("\n"))))
        log_exception(runner, node_id, _brief(msg) if trace else FURTHER_EXCEPTIONS, trace or FURTHER_EXCEPTIONS)

    return log
