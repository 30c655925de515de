"""How many requests Locust's own statistics have counted in this process, however often somebody resets them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from locust.env import Environment
from locust.stats import RequestStats, StatsEntry


class LocustTally:
    """Counts on where Locust's statistics start from zero: after a worker's report, and when somebody resets them."""

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
