"""Runs one command and makes sure that nothing of it outlives perflab, however perflab ends.

perflab starts ``python guard.py GRACE COMMAND...`` with a pipe as its standard input and keeps the other end. A line
in the pipe is the name of a signal to pass on (``INT``, ``TERM``, ``KILL``). The end of the pipe means that perflab
is gone, by ``kill -9`` too: the command gets SIGTERM, and SIGKILL after GRACE seconds. Whatever the command has left
behind, daemons included, is ended likewise. The exit code is the command's, 128 + N after signal N.

Standard library only, run by path and isolated: it must start in milliseconds and depend on nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
# Daemons of the command end by themselves when it is gone (a database's watcher, say); only then are they killed.
ORPHAN_PATIENCE_S = 1.0


def main(grace_s: float, command: list[str]) -> int:
    """Run `command` to its end or to perflab's end and return its exit code."""
    _adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_wanted: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop_wanted.append(number))
    try:
        pid = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGTERM],
        )
    except OSError as error:
        sys.stderr.write(f"can't start {command[0]!r}: {error.strerror}\n")
        return 127
    kill_at: float | None = None
    pipe_open, pending = True, b""
    while (code := _reap(pid)) is None:
        patience = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        ready, _, _ = select.select([wake_read, *([0] if pipe_open else [])], [], [], patience)
        if wake_read in ready:
            os.read(wake_read, 4096)
        if 0 in ready:
            chunk = os.read(0, 4096)
            pending += chunk
            *lines, pending = pending.split(b"\n")
            for line in lines:
                _signal_group(pid, signal.Signals[f"SIG{line.decode()}"])
            if not chunk:
                pipe_open = False
                stop_wanted.append(signal.SIGTERM)
        if stop_wanted and kill_at is None:
            _signal_group(pid, signal.SIGTERM)
            kill_at = time.monotonic() + grace_s
        if kill_at is not None and time.monotonic() >= kill_at:
            _signal_group(pid, signal.SIGKILL)
            kill_at = time.monotonic() + grace_s
    _end_orphans(pid)
    return code


def _adopt_orphans() -> None:
    # Linux: a daemon of the command becomes our child instead of init's, so that it can be found and ended.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap(pid: int) -> int | None:
    """Collect ended children; return the command's exit code once it has ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == pid:
                code = os.waitstatus_to_exitcode(ended[1])
                return code if code >= 0 else 128 - code
    return None


def _end_orphans(pid: int) -> None:
    _signal_group(pid, signal.SIGTERM)
    begun, told = time.monotonic(), False
    while children := _children():
        waited = time.monotonic() - begun
        if waited > 2 * ORPHAN_PATIENCE_S:
            _signal_each(children, signal.SIGKILL)
        elif waited > ORPHAN_PATIENCE_S and not told:
            _signal_each(children, signal.SIGTERM)
            told = True
        time.sleep(0.02)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    _signal_group(pid, signal.SIGKILL)


def _children() -> list[int]:
    me = os.getpid()
    try:
        return [int(child) for child in Path(f"/proc/{me}/task/{me}/children").read_text("ascii").split()]
    except OSError:
        return []


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _signal_each(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
