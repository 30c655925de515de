"""Locust's own statistics: without secrets, of bounded size, and counted however often somebody resets them.

Whatever a locustfile puts into a name or a failure, or raises, goes into Locust's CSV files and its HTML report: a
request's headers with their token and cookie, as often as not. And Locust writes each name and each kind of failure
anew every second: with 20 000 of them it does hardly anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

from locust.env import Environment
from locust.runners import Runner
from locust.stats import EntriesDict, RequestStats, StatsEntry, StatsError

from perflab.record.counts import FURTHER_MESSAGES, FURTHER_NAMES
from perflab.record.outcome import BoundedTexts, name_of
from perflab.vocabulary.redact import LineByLine, beginning, redact
from perflab.vocabulary.text import request_name

MAX_NAMES = MAX_ERRORS = MAX_EXCEPTIONS = 1000
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


def redact_statistics() -> None:
    """Take secrets out of the names, failures and exceptions that Locust keeps from now on, and bound their number."""
    EntriesDict.__missing__ = _listed_entry  # type: ignore[method-assign]
    RequestStats.log_error = _redacting_error(RequestStats.log_error)  # type: ignore[method-assign]
    Runner.log_exception = _redacting_exception(Runner.log_exception)  # type: ignore[method-assign]


def _listed_entry(entries: EntriesDict, key: tuple[object, object]) -> StatsEntry:
    """Return Locust's entry for a name and method that it has none for: a new one, or the one that they share."""
    name, method = (request_name(name_of(part)) for part in key)
    if (name, method) not in entries and len(entries) >= MAX_NAMES:
        name, method = FURTHER_NAMES, ""
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
            text = FURTHER_MESSAGES
        log_error(stats, entry.method, entry.name, text)

    return log


def _redacting_exception(log_exception: Any) -> Any:
    known = BoundedTexts(MAX_EXCEPTIONS, "")

    @wraps(log_exception)
    def log(runner: Runner, node_id: str, msg: str, formatted_tb: str) -> None:
        trace = known.bound(_brief_lines(formatted_tb))
        log_exception(runner, node_id, _brief(msg) if trace else FURTHER_EXCEPTIONS, trace or FURTHER_EXCEPTIONS)

    return log


class LocustTally:
    """Counts the requests of Locust's statistics on where those start from zero.

    They do so after a worker's report, and when somebody resets them.
    """

    def __init__(self, environment: Environment) -> None:
        self.resets = 0
        """How often somebody has thrown requests out of the statistics, a worker's reports not counted."""
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
                # In its own count, so that nothing is counted twice where it is replaced.
                total.reset()
            clear(stats)

        return clearing

    @property
    def _total(self) -> Any:
        # An entry is reset when it is made too, at a moment when there may be no statistics yet.
        return getattr(getattr(self._environment, "stats", None), "total", None)
