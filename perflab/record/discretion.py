"""Locust's own files: without secrets, and of bounded size.

Whatever a locustfile puts into a name or a failure, or raises, goes into Locust's CSV files and its HTML report: a
request's headers with their token and cookie, as often as not. And Locust writes each name and each kind of failure
anew every second: with 20 000 of them it does hardly anything else.
"""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import Any

from locust.runners import Runner
from locust.stats import EntriesDict, RequestStats, StatsEntry, StatsError

from perflab.record.counts import FURTHER_MESSAGES, FURTHER_NAMES
from perflab.record.known import Known
from perflab.record.outcome import name_of
from perflab.vocabulary.redact import LineByLine, beginning, redact
from perflab.vocabulary.text import request_name

MOST_NAMES = MOST_ERRORS = MOST_EXCEPTIONS = 1000
FURTHER_EXCEPTIONS = "(further exceptions)"

# Texts repeat, and a broken target must not cost the generator its time.
_redacted = lru_cache(maxsize=1024)(redact)


def _brief(text: str) -> str:
    # An answer's whole body, as often as not; Locust keeps each such text, and writes it into its files.
    return _redacted(beginning(text))


@lru_cache(maxsize=64)
def _brief_lines(text: str) -> str:
    lines = LineByLine()
    return "\n".join(lines.redact(beginning(line)) for line in text.split("\n"))


def install() -> None:
    """Take secrets out of the names, failures and exceptions that Locust keeps from now on, and bound their number."""
    EntriesDict.__missing__ = _listed_entry  # type: ignore[method-assign]
    RequestStats.log_error = _discreet_error(RequestStats.log_error)  # type: ignore[method-assign]
    Runner.log_exception = _discreet_exception(Runner.log_exception)  # type: ignore[method-assign]


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
        trace = known.of(_brief_lines(formatted_tb))
        log_exception(runner, node_id, _brief(msg) if trace else FURTHER_EXCEPTIONS, trace or FURTHER_EXCEPTIONS)

    return log
