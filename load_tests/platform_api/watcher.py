"""Owns one PostgreSQL: starts it, waits until its starter is gone, stops it and tidies up.

Run as a script by postgres.py, in a session of its own. It holds the read end of a pipe whose write end
only the starter has, so the kernel tells it of the starter's end, however that came. Uses the standard
library alone: it starts without site-packages, in a few milliseconds.
"""

import contextlib
import fcntl
import json
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_START_TIMEOUT_S = 30.0
_LOCK_TIMEOUT_S = 5.0
_STOP_TIMEOUT_S = 1.5
_WORK_DIR = ".perflab-postgres-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_TEMPORARY_MAX_CHARS = 60  # with the names in it a unix socket's path must fit in 104 bytes on every POSIX system

_VOLATILE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
}


class _RefusedError(Exception):
    """PostgreSQL can't be started; the message is one line."""


def _account() -> pwd.struct_passwd | None:
    """The account to run PostgreSQL as; None means the current one. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "postgres", "daemon"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise _RefusedError("PostgreSQL refuses to run as root and there is no account 'nobody': start as another user")


def _open_to_others(path: Path) -> bool:
    """Whether any account may read this file or directory and reach it."""
    return path.stat().st_mode & 0o005 == 0o005 and all(p.stat().st_mode & 0o001 for p in path.parents)


class _Postgres:
    """One PostgreSQL, its socket in `work_dir`, which is in use as long as somebody has the descriptor `held` open."""

    def __init__(self, binaries: Path, work_dir: Path, held: int, data_dir: Path | None, max_connections: int) -> None:
        self._account = _account()
        self._binaries = self._reachable(binaries, work_dir)
        self._work_dir = work_dir
        self._held = held
        self._home = data_dir or work_dir
        self._volatile = data_dir is None
        self._max_connections = max_connections
        self._pgdata = self._home / "pgdata"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if not self._pgdata.exists():
            self._initdb()
        if select.select([0], [], [], 0)[0]:
            raise _RefusedError("the starter is gone already")
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._work_dir),
            "max_connections": str(self._max_connections),
            "io_method": "sync",  # worker processes for reads don't pay on so small a machine
            "jit": "off",
            "dynamic_shared_memory_type": "mmap",  # files in its own folder: in /dev/shm a kill would leave them
        }
        options |= _VOLATILE if self._volatile else {}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log = self._home / "postgres.log"
        with log.open("wb") as stream:
            self._process = self._spawn(["postgres", "-D", str(self._pgdata), *flags], stream)
        self._wait_ready(log)

    def stop(self) -> None:
        """Stop PostgreSQL: at once when nothing is kept, else as safely as the time allows."""
        if self._process is None:
            return
        for kind in (signal.SIGQUIT if self._volatile else signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            self._process.send_signal(kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT_S)
                return

    def _initdb(self) -> None:
        # A kill in the middle leaves only the unfinished name behind, which the next start clears.
        unfinished = self._home / "pgdata.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account:
            os.chown(unfinished, self._account.pw_uid, self._account.pw_gid)
        options = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]
        options += ["--no-sync", "--no-data-checksums"] if self._volatile else []
        initdb = self._spawn(["initdb", "-D", str(unfinished), *options], subprocess.PIPE)
        output = initdb.communicate()[0].decode(errors="replace")
        if initdb.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise _RefusedError(f"can't create a database in {self._home}: {_last_error(output)}")
        unfinished.rename(self._pgdata)

    def _wait_ready(self, log: Path) -> None:
        assert self._process is not None  # noqa: S101 - for the type checker
        deadline = time.monotonic() + _START_TIMEOUT_S
        status = self._pgdata / "postmaster.pid"
        while True:
            if self._process.poll() is not None:
                raise _RefusedError(f"PostgreSQL ended at start: {_last_error(log.read_text(errors='replace'))}")
            with contextlib.suppress(OSError):
                lines = status.read_text().split("\n")
                # A kill may have left an older file, so the first line must be this process.
                if len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return
            if time.monotonic() > deadline:
                raise _RefusedError(f"PostgreSQL is not ready after {_START_TIMEOUT_S:g} s")
            time.sleep(0.004)

    def _spawn(self, command: list[str], output: Any) -> subprocess.Popen[bytes]:
        identity: dict[str, Any] = {}
        if self._account:
            identity = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return subprocess.Popen(
            [str(self._binaries / "bin" / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            pass_fds=[self._held],
            # A set time zone spares initdb the search through the whole zone database.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            **identity,
        )

    def _reachable(self, binaries: Path, work_dir: Path) -> Path:
        """The installation itself, or a copy where its own place is closed to the other account."""
        if self._account is None or _open_to_others(binaries / "bin" / "postgres"):
            return binaries
        package = binaries.parent
        for source in (binaries, package.with_name(f"{package.name}.libs")):  # wheels keep libraries beside
            if source.exists():
                target = work_dir / source.relative_to(package.parent)
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in work_dir.rglob("*"):
            os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)
        return work_dir / binaries.relative_to(package.parent)


def _last_error(output: str) -> str:
    """The line that tells most: the last one marked as an error, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if "FATAL:" in line or "error:" in line]
    return (marked or lines or ["no message"])[-1]


@contextlib.contextmanager
def _work_dir() -> Iterator[tuple[Path, int]]:
    """A temporary directory that takes a socket and, as root, that the other account reaches; and its descriptor.

    Whoever has the descriptor open holds the directory. One that nobody holds is left from a kill, and removed here.
    """
    root = os.geteuid() == 0
    own = Path(tempfile.gettempdir())
    fits = len(str(own)) <= _TEMPORARY_MAX_CHARS and (not root or _open_to_others(own))
    path, held = _new_work_dir(own if fits else Path("/tmp"))  # noqa: S108
    try:
        if (account := _account()) is not None:
            os.chown(path, account.pw_uid, account.pw_gid)
        yield path, held
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(held)


def _new_work_dir(place: Path) -> tuple[Path, int]:
    for left in place.glob(f"{_WORK_DIR}*"):
        with contextlib.suppress(OSError):
            held = os.open(left, _FOLDER)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(held)
    while True:
        path = Path(tempfile.mkdtemp(prefix=_WORK_DIR, dir=place))
        # Before it is held, another start may take it for one that was left.
        with contextlib.suppress(FileNotFoundError):
            held = os.open(path, _FOLDER)
            fcntl.flock(held, fcntl.LOCK_SH)
            if path.exists():
                return path, held
            os.close(held)


@contextlib.contextmanager
def _locked(directory: Path | None) -> Iterator[None]:
    """Hold the data directory alone; after a kill, wait for the former watcher to finish."""
    if directory is None:
        yield
        return
    if (account := _account()) is not None:
        closed = [p for p in directory.parents if p.exists() and not p.stat().st_mode & 0o001]
        if closed:
            raise _RefusedError(
                f"data directory {directory}: PostgreSQL does not run as root, and the account"
                f" {account.pw_name} can't reach into"
                f" {closed[0]}: choose another directory or start as another user"
            )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _RefusedError(f"data directory {directory}: {error.strerror}") from error
    try:
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _RefusedError(f"data directory {directory} is in use by another platform api") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _tell(**message: str) -> None:
    # The starter may be gone already; then the pipe is broken and nobody listens.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(message).encode() + b"\n")


def main(binaries: str, max_connections: str, data_dir: str = "") -> None:
    """Run one PostgreSQL until standard input ends; tells `socket_dir` or `error` as one JSON line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler, not SIG_IGN: an ignored signal would stay ignored in PostgreSQL too.
        signal.signal(number, lambda *_: None)
    home = Path(data_dir) if data_dir else None
    try:
        with _locked(home), _work_dir() as (work_dir, held):
            postgres = _Postgres(Path(binaries), work_dir, held, home, int(max_connections))
            try:
                postgres.start()
                _tell(socket_dir=str(work_dir))
                os.read(0, 1)
            finally:
                postgres.stop()
    except _RefusedError as refused:
        _tell(error=str(refused))
    except OSError as error:
        _tell(error=f"can't start PostgreSQL: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
