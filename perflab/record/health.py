"""The generator's own health: CPU, memory, its clock, how late its event loop runs, and what that cost in load."""

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
# gevent's timers have a resolution of a millisecond: a user alone sleeps so much longer, too.
TIMER_S = 0.001
# An idle process, too, is some time in waking up: another program may just have its turn on the core. Up to here it is
# no delay, and up to less the busier the process is itself. Locust runs Python in one core; from about half of it on,
# whoever has to wait mostly waits for other users, and all of it is one.
PROMPT_S = 0.005
BUSY_CORE = 0.5
# Differences of a second that its percentiles are read from; of more a random sample stands for all.
MAX_DIFFERENCES = 500


class LoopLag:
    """How late the event loop wakes a sleeper: a probe every `LAG_PROBE_S` seconds, delays in ms."""

    def __init__(self) -> None:
        self._delays: list[float] = []
        gevent.spawn(self._probe)

    def take(self) -> list[float]:
        """Return the delays in ms since the last call, ascending; never empty."""
        delays, self._delays = sorted(self._delays), []
        # No probe got through for a whole second: that it did not is the delay.
        return delays or [1000.0]

    def _probe(self) -> None:
        while True:
            due = time.perf_counter() + LAG_PROBE_S
            gevent.sleep(LAG_PROBE_S)
            self._delays.append(max(0.0, (time.perf_counter() - due) * 1000))


class Lost(NamedTuple):
    """What a second cost the users, in user-seconds; `overheads_ms` is client minus wire, of many a sample.

    `to_generator_s` is how long they waited for the event loop, `to_client_s` how long their client itself let them
    wait inside of requests: retries, back-off, hooks, limits of a pool.
    """

    to_generator_s: float
    to_client_s: float
    overheads_ms: list[float]


class LostTime:
    """Where the time of the users went that was neither the service's nor their own think time.

    Client minus wire has three parts: the answer lay there until the event loop got round to its client, the client
    worked on it, or the client itself chose to wait. The first is measured, wait by wait, and is the generator's. The
    second is part of the time that the process ran, or was ready to run and had no core. What neither explains is the
    third.
    """

    def __init__(self, woken_late_ns: list[int]) -> None:
        self._woken_late_ns = woken_late_ns
        self.sleeps_late_s: list[float] = []
        """By how much each user woke up late from its think time; emptied by `take`."""

    def take(self, overheads_ms: list[float], use: Use, unstamped: int, lags_ms: Sequence[float]) -> Lost:
        """Return what was lost since the last call; `use` is what the process used meanwhile.

        Of the requests that have ended since then, `overheads_ms` is client minus wire, and `unstamped` is how many
        have no wire time; `lags_ms` are the probes' delays.
        """
        prompt_s = PROMPT_S * max(0.0, 1 - (use.cpu_s + use.queued_s) / (BUSY_CORE * use.elapsed_s))
        within_ns, sleeps_s = _emptied(self._woken_late_ns), _emptied(self.sleeps_late_s)
        timely_s = max(prompt_s, TIMER_S)
        late = _beyond(within_ns, prompt_s * 1e9) / 1e9 + _beyond(sleeps_s, timely_s)
        # Without a wire time the loop's lag is the best that is known of the generator's share.
        late += unstamped * mean_wait_ms(lags_ms, timely_s * 1000) / 1000
        waited = sum(overheads_ms) / 1000 - _beyond(within_ns, 0.0) / 1e9 - use.cpu_s - use.queued_s
        many = len(overheads_ms) > MAX_DIFFERENCES
        return Lost(late, max(0.0, waited), random.sample(overheads_ms, MAX_DIFFERENCES) if many else overheads_ms)


def _emptied(values: list[T]) -> list[T]:
    found = values.copy()
    values.clear()
    return found


def _beyond(values: Sequence[float], limit: float) -> float:
    """Return by how much values exceed a limit, all together; there are some for each request."""
    return sum([value - limit for value in values if value > limit])


def mean_wait_ms(delays_ms: Sequence[float], prompt_ms: float) -> float:
    """Return how long what happens at any moment waits for the event loop on average, from the probes' delays.

    A long delay is met by more than a short one; those that happen during a delay wait for half of it on average. The
    first `prompt_ms` of each wait are left out.
    """
    every_ms = 1000 * LAG_PROBE_S
    beyond = [max(0.0, delay - prompt_ms) for delay in delays_ms]
    return sum(late * (every_ms + late / 2) for late in beyond) / sum(every_ms + delay for delay in delays_ms)


class Use(NamedTuple):
    """What a process used within `elapsed_s`: CPU, and how long it was ready to run and had no core; memory in MB."""

    elapsed_s: float
    cpu_s: float
    queued_s: float
    rss_mb: float

    @property
    def cpu_percent(self) -> float:
        """CPU in per cent of one core."""
        return 100 * self.cpu_s / self.elapsed_s


class ProcessUse:
    """What this process has used since the last question."""

    # Linux: nanoseconds on a core, nanoseconds ready to run without one, turns; of the thread that runs the event loop.
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
            # Another system, or a kernel that keeps no such account.
            queued = 0.0
        return time.perf_counter(), time.process_time(), queued


class ClockWatch:
    """Notices when the clock of the day, which the wire clock is read from, jumps against the steady one."""

    # Reading two clocks takes about a microsecond; a reading that was interrupted in between is taken again.
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
