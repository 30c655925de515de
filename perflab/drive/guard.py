"""Runs a command and makes sure that none of its processes outlives perflab, however perflab ends.

perflab starts ``python guard.py GRACE COMMAND...`` with a pipe as standard input and keeps the other end. A line in the
pipe names a signal to pass on (``INT``, ``TERM``, ``KILL``). The end of the pipe means that perflab is gone, possibly
by ``kill -9``: the command gets SIGTERM, and SIGKILL after GRACE seconds. Processes that the command leaves behind,
daemons included, are ended likewise. The exit code is the command's, 128 + N after signal N.

There are two guards, a parent and its child, because a single one could be killed, too. The child does the work. If it
is killed, its parent inherits the command with all its daemons and ends them; if the parent is killed, the kernel
notifies the child. A guard that is stopped is resumed by the other. A signal that would end a guard ends the command.

Standard library only, run by path and isolated, so that it starts in milliseconds and depends on nothing.
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

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# The command's daemons may end by themselves when it is gone, as a database's watcher does; then they are killed.
ORPHAN_PATIENCE_S = 1.0
# All signals that end a process by default and can be handled; a guard dies of the others, and its fellow takes over.
_ENDING = signal.valid_signals() - {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    *(signal.SIGCHLD, signal.SIGCONT, signal.SIGWINCH, signal.SIGURG),
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
}


def main(grace_s: float, command: list[str]) -> int:
    """Run `command` to its end or to perflab's end and return its exit code."""
    _adopt_orphans()
    # Neither guard may miss a signal before its handlers are set.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    parent = os.getpid()
    fellow = os.fork()
    return _stand_by(fellow) if fellow else _run(grace_s, command, parent)


def _stand_by(fellow: int) -> int:
    """Wait for the guard that does the work, resume it if it is stopped, and take over if it is killed."""
    os.close(0)
    for number in _ENDING:
        signal.signal(number, lambda *_: _signal_each([fellow], signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    while os.WIFSTOPPED(status := os.waitpid(fellow, os.WUNTRACED)[1]):
        _signal_each([fellow], signal.SIGCONT)
    _end_orphans()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _run(grace_s: float, command: list[str], parent: int) -> int:
    _adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    stop_wanted: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in _ENDING:
        signal.signal(number, lambda number, _: stop_wanted.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    _end_with(parent)
    try:
        pid = _start(command)
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
    _signal_group(pid, signal.SIGTERM)
    _end_orphans()
    _signal_group(pid, signal.SIGKILL)
    # A stopped parent wouldn't notice the end.
    _signal_each([parent] if os.getppid() == parent else [], signal.SIGCONT)
    return code


def _start(command: list[str]) -> int:
    """Start the command in a session of its own and return its process id; raises OSError where that fails."""
    guard = os.getpid()
    failed_read, failed_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            # A handler would be lost with this program.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _end_with(guard)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.execvp(command[0], command)  # noqa: S606 - it is the command that is asked for
        except OSError as error:
            os.write(failed_write, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(failed_write)
    # The pipe is closed when the command has replaced the fork: from then on it has its own group.
    if failed := os.read(failed_read, 16):
        os.waitpid(pid, 0)
        raise OSError(int(failed), os.strerror(int(failed)))
    os.close(failed_read)
    return pid


def _end_with(parent: int) -> None:
    """Linux: have this process get SIGTERM when its parent is gone, even if it is gone already."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def _adopt_orphans() -> None:
    # Linux: daemons of the command become our children instead of init's, so that they can be found and ended.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap(pid: int) -> int | None:
    """Reap ended children; return the command's exit code once it has ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == pid:
                code = os.waitstatus_to_exitcode(ended[1])
                return code if code >= 0 else 128 - code
    return None


def _end_orphans() -> None:
    """End the processes that this one has inherited, after giving them time to end by themselves."""
    begun, terminated = time.monotonic(), False
    while children := _children():
        waited = time.monotonic() - begun
        if waited > 2 * ORPHAN_PATIENCE_S:
            _signal_each(children, signal.SIGKILL)
        elif waited > ORPHAN_PATIENCE_S and not terminated:
            _signal_each(children, signal.SIGTERM)
            terminated = True
        time.sleep(0.02)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


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
