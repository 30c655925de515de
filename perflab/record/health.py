"""The generator's own health: CPU, memory, clock, how late its event loop runs, and how much load that cost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import gevent
import psutil

T = TypeVar("T")

LAG_PROBE_S = 0.05
# gevent's timers have a resolution of a millisecond: even a single user oversleeps by that much.
TIMER_S = 0.001
# An idle process takes some time to wake up, too: another program may be running on the core. Up to this long doesn't
# count as a delay, and less of it the busier the process itself is. Locust runs Python on one core; from about half of
# it on, users mostly wait for other users, and all waiting counts.
PROMPT_S = 0.005
BUSY_CORE = 0.5
# The percentiles of a second are those of so many differences, drawn at random if there are more.
MAX_DIFFERENCES = 500


class LoopLag:
    """How late the event loop wakes a sleeper, in ms: probed every `LAG_PROBE_S` seconds."""

    def __init__(self) -> None:
        self._delays: list[float] = []
        gevent.spawn(self._probe)

    def take(self) -> list[float]:
        """Return the delays in ms since the last call, ascending; never empty."""
        delays, self._delays = sorted(self._delays), []
        # No probe finished for a whole second, so the delay was at least that.
        return delays or [1000.0]

    def _probe(self) -> None:
        while True:
            due = time.perf_counter() + LAG_PROBE_S
            gevent.sleep(LAG_PROBE_S)
            self._delays.append(max(0.0, (time.perf_counter() - due) * 1000))


class Lost(NamedTuple):
    """What a second cost the users, in user-seconds; `overheads_ms` is client minus wire time, or a sample of it.

    `to_generator_s` is how long they waited for the event loop, `to_client_s` how long their own client waited within
    requests: retries, back-off, hooks, pool limits.
    """

    to_generator_s: float
    to_client_s: float
    overheads_ms: list[float]


class LostTime:
    """Where the users' time went that was neither the service's nor their think time.

    Client minus wire time has three parts: the response was there before the event loop woke up its client, the client
    processed it, or the client chose to wait. The first is measured, wait by wait, and is the generator's. The second
    is part of the time in which the process ran, or was ready to run without a core. The rest is the third.
    """

    def __init__(self, woken_late_ns: list[int]) -> None:
        self._woken_late_ns = woken_late_ns
        self.sleeps_late_s: list[float] = []
        """How late each user woke up from its think time; emptied by `take`."""

    def take(self, overheads_ms: list[float], use: Use, without_wire_time: int, lags_ms: Sequence[float]) -> Lost:
        """Return what was lost since the last call; `use` is what the process used in that time.

        `overheads_ms` are client minus wire time of the requests that ended since then, `without_wire_time` is how many
        had none, and `lags_ms` are the probes' delays.
        """
        prompt_s = PROMPT_S * max(0.0, 1 - (use.cpu_s + use.queued_s) / (BUSY_CORE * use.elapsed_s))
        within_ns, sleeps_s = _emptied(self._woken_late_ns), _emptied(self.sleeps_late_s)
        timely_s = max(prompt_s, TIMER_S)
        late = _beyond(within_ns, prompt_s * 1e9) / 1e9 + _beyond(sleeps_s, timely_s)
        # Without a wire time, the loop's lag is the best estimate of the generator's share.
        late += without_wire_time * mean_wait_ms(lags_ms, timely_s * 1000) / 1000
        waited = sum(overheads_ms) / 1000 - _beyond(within_ns, 0.0) / 1e9 - use.cpu_s - use.queued_s
        many = len(overheads_ms) > MAX_DIFFERENCES
        return Lost(late, max(0.0, waited), random.sample(overheads_ms, MAX_DIFFERENCES) if many else overheads_ms)


def _emptied(values: list[T]) -> list[T]:
    taken = values.copy()
    values.clear()
    return taken


def _beyond(values: Sequence[float], limit: float) -> float:
    """Return the sum by which values exceed a limit; called with several values per request, so it has to be fast."""
    return sum([value - limit for value in values if value > limit])


def mean_wait_ms(delays_ms: Sequence[float], prompt_ms: float) -> float:
    """Return how long an event at a random moment waits for the event loop on average, from the probes' delays.

    A long delay is met by more events than a short one, and those wait for half of it on average. The first `prompt_ms`
    of each wait don't count.
    """
    every_ms = 1000 * LAG_PROBE_S
    beyond = [max(0.0, delay - prompt_ms) for delay in delays_ms]
    return sum(late * (every_ms + late / 2) for late in beyond) / sum(every_ms + delay for delay in delays_ms)


class Use(NamedTuple):
    """What a process used within `elapsed_s`: CPU time, time ready to run without a core, and memory in MB."""

    elapsed_s: float
    cpu_s: float
    queued_s: float
    rss_mb: float

    @property
    def cpu_percent(self) -> float:
        """CPU in per cent of one core."""
        return 100 * self.cpu_s / self.elapsed_s


class ProcessUse:
    """What this process has used since the last call."""

    # Linux: nanoseconds on a core, nanoseconds ready without one, time slices, of the event loop's thread.
    _SCHEDULE = Path("/proc/self/schedstat")

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._last = self._now()

    def take(self) -> Use:
        """Return what was used since the last call."""
        now = self._now()
        (at, cpu, queued), (last_at, last_cpu, last_queued), self._last = now, self._last, now
        rss_mb = self._process.memory_info().rss / 1e6
        return Use(max(at - last_at, 1e-9), cpu - last_cpu, queued - last_queued, rss_mb)

    def _now(self) -> tuple[float, float, float]:
        try:
            queued = int(self._SCHEDULE.read_text(encoding="ascii").split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            # Another system, or a kernel without these statistics.
            queued = 0.0
        return time.perf_counter(), time.process_time(), queued


class ClockWatch:
    """Notices steps of the clock of the day, which is the wire clock, against the monotonic clock."""

    # Reading both clocks takes about a microsecond; an interrupted reading is repeated.
    _CLOSE_NS = 20_000
    _TRIES = 10

    def __init__(self, of_day: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns) -> None:
        self._of_day, self._steady = of_day, steady
        self._apart = self._read()

    def take(self) -> float:
        """Return by how many ms the clock has been set since the last call, forward or back."""
        apart = self._read()
        step, self._apart = abs(apart - self._apart), apart
        return step / 1e6

    def _read(self) -> int:
        best, apart = 0, 0
        for attempt in range(self._TRIES):
            before, of_day, after = self._steady(), self._of_day(), self._steady()
            if not attempt or after - before < best:
                best, apart = after - before, of_day - (before + after) // 2
            if best < self._CLOSE_NS:
                break
        return apart
