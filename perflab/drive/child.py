"""A child process under guard: perflab can stop it, it can't outlive perflab, and its CPU and memory are measured."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from perflab.drive import guard

StopSignal = str
"""``INT``, ``TERM`` or ``KILL``."""

# How long guards may take beyond the command's grace on a busy machine. After that they hang, and are killed.
GUARD_PATIENCE_S = 10.0


class Child:
    """A guarded command in a session of its own, so that Ctrl-C in the terminal reaches only perflab."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        output: IO[bytes] | int,
        grace_s: float,
    ) -> None:
        """Start `command`; its output goes to `output`; `grace_s` passes between SIGTERM and SIGKILL."""
        self._grace_s = grace_s
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(grace_s), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The guards' process id and group; the command and its descendants are in groups of their own."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code (128 + N after signal N) if the command has ended."""
        code = self._process.poll()
        # Negative only where a guard itself was killed.
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the end for at most `timeout_s`; return the exit code or None."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self._close_pipe()
        return self.poll()

    def signal(self, name: StopSignal) -> None:
        """Pass a signal on to the command's process group."""
        if self._process.stdin is not None and self.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(f"{name}\n".encode())
                self._process.stdin.flush()

    def stop(self, name: StopSignal = "TERM", patience_s: float | None = None) -> int:
        """End the command by signal `name`, after `patience_s` by the guard's TERM and KILL; return its exit code."""
        self._wake_guards()
        self.signal(name)
        if self.wait(self._grace_s if patience_s is None else patience_s) is None:
            self._wake_guards()
            self._close_pipe()
        if self.wait(self._grace_s + GUARD_PATIENCE_S) is None:
            # The other guard notices, and ends the command.
            self._process.kill()
            self._process.wait()
        self._close_pipe()
        return self.poll() or 0

    def _wake_guards(self) -> None:
        """Resume guards that somebody has stopped (Ctrl-Z, a debugger): they have a process group of their own."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGCONT)

    def _close_pipe(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


@dataclass(frozen=True, slots=True)
class Use:
    """CPU in per cent of one core, resident memory in MB."""

    cpu_percent: float
    rss_mb: float


class ProcessTree:
    """The CPU and memory of all descendants of a guard, databases and daemons included, but not of the guards."""

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._cpu: dict[tuple[int, float], float] = {}
        self._at = time.monotonic()
        self.take()

    def take(self) -> Use:
        """Return the use since the last call; the CPU time of a process that has ended since then is not counted."""
        now = time.monotonic()
        seen, rss = {}, 0
        for process in self._processes():
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    seen[process.pid, process.create_time()] = times.user + times.system
                    # Shared memory of a database would count once for each of its processes.
                    memory = process.memory_info()
                    rss += memory.rss - getattr(memory, "shared", 0)
            except psutil.Error:
                continue
        spent = sum(cpu - self._cpu.get(key, 0.0) for key, cpu in seen.items())
        elapsed = max(now - self._at, 1e-9)
        self._cpu, self._at = seen, now
        return Use(100 * spent / elapsed, rss / 1e6)

    def _processes(self) -> list[psutil.Process]:
        processes = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._root).children(recursive=True):
                with contextlib.suppress(ProcessLookupError):
                    if os.getpgid(process.pid) != self._root:
                        processes.append(process)
        return processes
