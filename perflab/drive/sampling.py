"""CPU and memory of a managed target: the sum over its processes, databases and daemons included."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Use:
    """CPU in per cent of one core, resident memory in MB."""

    cpu_percent: float
    rss_mb: float


class ProcessTree:
    """Measures all descendants of a guard between two questions, but for the guards, which are a group of their own."""

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._cpu: dict[tuple[int, float], float] = {}
        self._at = time.monotonic()
        self.take()

    def take(self) -> Use:
        """Return the use since the last call; the CPU time of a process that has ended in between is not seen."""
        now = time.monotonic()
        seen, rss = {}, 0
        for process in self._processes():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    seen[process.pid, process.create_time()] = times.user + times.system
                    # Shared memory of a database's processes would count once for each of them.
                    memory = process.memory_info()
                    rss += memory.rss - getattr(memory, "shared", 0)
            except psutil.Error:
                continue
        spent = sum(cpu - self._cpu.get(key, 0.0) for key, cpu in seen.items())
        elapsed = max(now - self._at, 1e-9)
        self._cpu, self._at = seen, now
        return Use(100 * spent / elapsed, rss / 1e6)

    def _processes(self) -> list[psutil.Process]:
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._root).children(recursive=True):
                with contextlib.suppress(ProcessLookupError):
                    if os.getpgid(process.pid) != self._root:
                        found.append(process)
        return found
