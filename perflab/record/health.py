"""The generator's own health: requests in flight, CPU, memory, and how late its event loop runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import gevent
import psutil
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession

from perflab.redact import redact_values

LAG_PROBE_S = 0.05


class InFlight:
    """Requests that Locust's two HTTP clients have begun and not ended, and those that were cut off."""

    def __init__(self) -> None:
        self.now = 0
        self._cut_off: list[float] = []

    def watch_clients(self) -> None:
        """Count the requests of every session of this process from now on."""
        for session in (HttpSession, FastHttpSession):
            session.request = self._counted(session.request)  # type: ignore[method-assign]

    def unanswered(self, until: float) -> int:
        """Return how many requests that began before `until` (epoch seconds) were cut off or still wait."""
        # Locust may kill a user that wakes up from its think time just then: such a request is not part of the plan.
        return self.now + sum(began < until for began in self._cut_off)

    def _counted(self, request: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(request)
        def counted(
            session: Any, method: str, url: str | bytes, name: str | None = None, *args: Any, **kwargs: Any
        ) -> Any:
            if not name and not session.request_name and isinstance(url, str) and "?" in url:
                # Without a name the URL is the name, in Locust's own files too, and a token may stand in it.
                name = clean if (clean := redact_values(url)) != url else None
            began = time.time()
            self.now += 1
            try:
                return request(session, method, url, name, *args, **kwargs)
            except gevent.GreenletExit:
                # Killed by Locust while waiting for the answer: no event tells of such a request.
                self._cut_off.append(began)
                raise
            finally:
                self.now -= 1

        return counted


class LoopLag:
    """How late the event loop wakes a sleeper: the longest delay in ms since the last question."""

    def __init__(self) -> None:
        self._worst = 0.0
        gevent.spawn(self._probe)

    def take(self) -> float:
        """Return the longest delay in ms since the last call."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _probe(self) -> None:
        while True:
            due = time.perf_counter() + LAG_PROBE_S
            gevent.sleep(LAG_PROBE_S)
            self._worst = max(self._worst, (time.perf_counter() - due) * 1000)


class ProcessUse:
    """CPU of this process in per cent of one core since the last question, and its memory."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu, self._at = time.process_time(), time.perf_counter()

    def take(self) -> tuple[float, float]:
        """Return (CPU %, resident memory in MB)."""
        cpu, at = time.process_time(), time.perf_counter()
        percent = 100 * (cpu - self._cpu) / max(at - self._at, 1e-9)
        self._cpu, self._at = cpu, at
        return percent, self._process.memory_info().rss / 1e6
