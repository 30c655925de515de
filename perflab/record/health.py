"""The generator's own health: CPU, memory, its clock, how late its event loop runs, and what that cost in load."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import gevent
import psutil

LAG_PROBE_S = 0.05
# Differences of a second that its percentiles are read from; of more a random sample stands for all.
MOST_DIFFERENCES = 500


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


class LostTime:
    """How long users were kept waiting by the generator itself: inside requests, and when waking from a think time."""

    def __init__(self) -> None:
        self.woken_late_s = 0.0

    def take(self, behind_ms: list[float]) -> tuple[float, list[float]]:
        """Return (user-seconds lost since the last call, client-minus-wire in ms, ascending, a sample of many).

        `behind_ms` is client minus wire of the requests that have ended since then.
        """
        lost_s, self.woken_late_s = self.woken_late_s + sum(behind_ms) / 1000, 0.0
        many = len(behind_ms) > MOST_DIFFERENCES
        return lost_s, sorted(random.sample(behind_ms, MOST_DIFFERENCES) if many else behind_ms)


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


def quantile(ascending: Sequence[float], q: float) -> float:
    """Return the smallest value that at least the share `q` does not exceed; 0 of nothing."""
    return ascending[min(len(ascending) - 1, int(q * len(ascending)))] if ascending else 0.0
