"""Locust's own statistics: redacted, bounded in size, and counted across resets.

Whatever a locustfile puts into a name or a failure, or raises, ends up in Locust's CSV files and HTML report: often a
request's headers with token and cookie. And Locust writes every name and every kind of failure again each second: with
20 000 of them it hardly does anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

from locust.env import Environment
from locust.runners import Runner
from locust.stats import EntriesDict, RequestStats, StatsEntry, StatsError

from perflab.record.counts import OTHER_MESSAGES, OTHER_NAMES
from perflab.record.outcome import BoundedTexts, name_of
from perflab.vocabulary.redact import LineByLine, beginning, redact
from perflab.vocabulary.text import request_name

MAX_NAMES = MAX_ERRORS = MAX_EXCEPTIONS = 1000
OTHER_EXCEPTIONS = "(other exceptions)"

# Texts repeat, and a broken target must not keep the generator busy.
_redacted = lru_cache(maxsize=1024)(redact)


def _brief(text: str) -> str:
    # Often a response's whole body, which Locust would keep and write into its files.
    return _redacted(beginning(text))


@lru_cache(maxsize=64)
def _brief_lines(text: str) -> str:
    lines = LineByLine()
    return "\n".join(lines.redact(beginning(line)) for line in text.split("\n"))


def redact_statistics() -> None:
    """Redact the names, failures and exceptions that Locust keeps from now on, and bound their number."""
    EntriesDict.__missing__ = _listed_entry  # type: ignore[method-assign]
    RequestStats.log_error = _redacting_error(RequestStats.log_error)  # type: ignore[method-assign]
    Runner.log_exception = _redacting_exception(Runner.log_exception)  # type: ignore[method-assign]


def _listed_entry(entries: EntriesDict, key: tuple[object, object]) -> StatsEntry:
    """Return Locust's entry for a new name and method: one of its own, or beyond the limit the shared one."""
    name, method = (request_name(name_of(part)) for part in key)
    if (name, method) not in entries and len(entries) >= MAX_NAMES:
        name, method = OTHER_NAMES, ""
    entry = entries.get((name, method))
    if entry is None:
        stats = entries.request_stats
        entry = entries[name, method] = StatsEntry(stats, name, method, stats.use_response_times_cache)
    return entry


def _redacting_error(log_error: Any) -> Any:
    known = BoundedTexts(MAX_ERRORS, "")

    @wraps(log_error)
    def log(stats: RequestStats, method: str, name: str, error: Exception | str | None) -> None:
        entry = stats.entries[name, method]
        text = _brief(StatsError.parse_error(error))
        if not known.bound(f"{entry.method} {entry.name} {text}"):
            text = OTHER_MESSAGES
        log_error(stats, entry.method, entry.name, text)

    return log


def _redacting_exception(log_exception: Any) -> Any:
    known = BoundedTexts(MAX_EXCEPTIONS, "")

    @wraps(log_exception)
    def log(runner: Runner, node_id: str, msg: str, formatted_tb: str) -> None:
        trace = known.bound(_brief_lines(formatted_tb))
        log_exception(runner, node_id, _brief(msg) if trace else OTHER_EXCEPTIONS, trace or OTHER_EXCEPTIONS)

    return log


class LocustTally:
    """Counts the requests in Locust's statistics across resets: after each report of a worker, or by a locustfile."""

    def __init__(self, environment: Environment) -> None:
        self.resets = 0
        """How often somebody has dropped requests from the statistics, a worker's reports not counted."""
        self._environment = environment
        self._before = 0

    @property
    def requests(self) -> int:
        """The requests that Locust has counted so far."""
        return self._before + self._environment.stats.total.num_requests

    def install(self) -> None:
        """Follow this environment's statistics from now on."""
        StatsEntry.reset = self._keeping(StatsEntry.reset)  # type: ignore[method-assign]
        RequestStats.clear_all = self._clearing(RequestStats.clear_all)  # type: ignore[method-assign]
        RequestStats.reset_all = self._clearing(RequestStats.reset_all)  # type: ignore[method-assign]

    def _keeping(self, reset: Callable[..., None]) -> Callable[..., None]:
        @wraps(reset)
        def keeping(entry: StatsEntry) -> None:
            if entry is self._total:
                self._before += entry.num_requests
            reset(entry)

        return keeping

    def _clearing(self, clear: Callable[..., None]) -> Callable[..., None]:
        @wraps(clear)
        def clearing(stats: RequestStats) -> None:
            total = self._total
            if total is not None and stats is self._environment.stats and total.num_requests:
                self.resets += 1
                # Reset by itself first, so that nothing is counted twice if it is replaced.
                total.reset()
            clear(stats)

        return clearing

    @property
    def _total(self) -> Any:
        # An entry is also reset when it is created, possibly before there are any statistics.
        return getattr(getattr(self._environment, "stats", None), "total", None)
