"""The system under test: reached by its URL, or started, awaited and stopped as a managed target."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from perflab.drive.child import Child
from perflab.drive.http import ask, within
from perflab.drive.output import last_line
from perflab.errors import TargetError
from perflab.plan.hosts import allowed_hosts, check_host
from perflab.plan.plan import Plan
from perflab.vocabulary.redact import redact

START_TIMEOUT_S = 60.0
REACH_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 2.0
STOP_GRACE_S = 3.0
POLL_S = 0.05
MAX_OUTPUT_BYTES = 10_000_000
# A server may answer like that until it has started completely; after so long it knows its own paths.
NOT_YET_S = 1.0
# In place of a status: the target answers, but not with HTTP.
NOT_HTTP = 0
# The temporary ones among 3xx and 4xx.
_PASSING = frozenset({408, 425, 429})
# A host that restarts, or has a full accept queue for a moment, is not lost: it is tried again after each of these.
LOST_WAITS_S = (0.0, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Target:
    """A target that can be loaded: its URL, and its process if perflab started it."""

    host: str
    child: Child | None = None
    output: int | None = None
    """The file descriptor of its output."""

    def forget_output(self) -> None:
        """Keep the output of a loaded target from filling the disk: nobody reads it once the target is ready."""
        if self.output is not None and os.fstat(self.output).st_size > MAX_OUTPUT_BYTES:
            os.ftruncate(self.output, 0)

    @property
    def lost(self) -> bool:
        """Whether a managed target has ended by itself, or the host accepts no connection any more.

        Takes as long as a connection, or several seconds if the host is lost.
        """
        if self.child is not None:
            return self.child.poll() is not None
        return all(_unreachable(self.host, wait_s) for wait_s in LOST_WAITS_S)


@contextlib.contextmanager
def open_target(plan: Plan, environment: Mapping[str, str], cwd: Path) -> Iterator[Target]:
    """Yield the plan's target once it answers; a managed one is stopped at the end. Raises TargetError."""
    with start_target(plan, environment, cwd) as ready:
        yield ready()


@contextlib.contextmanager
def start_target(plan: Plan, environment: Mapping[str, str], cwd: Path) -> Iterator[Callable[[], Target]]:
    """Start a managed target; yield a function that waits until it answers, and raises TargetError if it doesn't.

    Everything that makes load passes here, wherever its plan is from: `environment` says which hosts are allowed.
    """
    if plan.host is not None:
        check_host(plan.host, allowed_hosts(environment))
    if plan.launch is None:
        assert plan.host is not None  # noqa: S101 - make_plan has refused a plan without a target
        yield partial(_reach, plan.host)
        return
    with tempfile.TemporaryFile() as output:
        port = free_port()
        host = plan.host or f"http://127.0.0.1:{port}"
        command = _command(plan.launch, port)
        if plan.host is not None and _ask(host, plan.health) is not None:
            raise TargetError(
                f"something else answers at {host} already, so --launch can't be measured there: "
                f"stop it, or leave --launch out",
                host,
            )
        # Append mode, so that the target keeps writing at the end after its output was truncated.
        fcntl.fcntl(output, fcntl.F_SETFL, fcntl.fcntl(output, fcntl.F_GETFL) | os.O_APPEND)
        own = with_own_python(environment)
        child = Child(command, environment=own, cwd=cwd, output=output.fileno(), grace_s=STOP_GRACE_S)

        def wait() -> Target:
            began = since = time.monotonic()
            status = None
            while (answer := _ask(host, plan.health)) is None or not 200 <= answer < 300:
                now = time.monotonic()
                if answer != status:
                    status, since = answer, now
                if (code := child.poll()) is not None:
                    raise TargetError(
                        f"the target ended with exit code {code} before it was ready: "
                        f"{last_line(output.fileno()) or 'it printed nothing'} "
                        f"(--launch {redact(shlex.join(command))!r})",
                        host,
                    )
                if status is not None and _is_for_good(status) and now - since > NOT_YET_S:
                    raise TargetError(
                        f"the target is up, but {plan.health} answers {status}: "
                        f"give --health PATH with one that answers 2xx once the target is ready"
                        if status != NOT_HTTP
                        else f"the target answers at {host}, but not in HTTP: check --launch",
                        host,
                    )
                if now - began > START_TIMEOUT_S:
                    answered = "did not answer" if status is None else f"answered {status}, not 2xx, at"
                    raise TargetError(
                        f"the target {answered} {host}{plan.health} within {START_TIMEOUT_S:.0f} s: "
                        f"check --launch and --health (last output: {last_line(output.fileno()) or 'none'})",
                        host,
                    )
                time.sleep(POLL_S)
            return Target(host, child, output.fileno())

        try:
            yield wait
        finally:
            child.stop()


def with_own_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` with this interpreter's folder first, so that ``python`` means the one that runs perflab."""
    folder = str(Path(sys.executable).parent)
    return {**environment, "PATH": os.pathsep.join([folder, environment.get("PATH", os.defpath)])}


def _command(launch: str, port: int) -> list[str]:
    try:
        words = shlex.split(launch)
    except ValueError as error:
        raise TargetError(f"--launch {redact(launch)!r} is not a command line: {error}") from None
    return [word.replace("{port}", str(port)) for word in words]


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _reach(host: str) -> Target:
    if why := _unreachable(host):
        raise TargetError(f"{host} can't be reached ({why}): start the service, or check --host", host)
    return Target(host)


def _unreachable(host: str, wait_s: float = 0.0) -> str:
    """Return why `host` accepts no connection after `wait_s` seconds; empty if it does."""
    time.sleep(wait_s)
    parts = urlsplit(host)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        # A name may have several addresses, and the timeout applies to each.
        within(REACH_TIMEOUT_S, lambda: socket.create_connection((parts.hostname or "", port), REACH_TIMEOUT_S).close())
    except (OSError, UnicodeError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def _is_for_good(status: int) -> bool:
    """Return whether a target that is up will keep answering like this; 5xx errors may be temporary."""
    return status == NOT_HTTP or (300 <= status < 500 and status not in _PASSING)


def _ask(host: str, path: str) -> int | None:
    """Return the status of `path`, None without an answer, NOT_HTTP for one that isn't HTTP."""
    try:
        return ask(host, path, ANSWER_TIMEOUT_S).status
    except (OSError, UnicodeError):
        return None
    except http.client.HTTPException:
        return NOT_HTTP
