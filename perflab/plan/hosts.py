"""Where load may go: to this machine, to hosts that somebody has allowed by name, and into databases for tests."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from perflab.errors import TargetError
from perflab.plan.parse import is_utf8, quoted
from perflab.vocabulary.redact import redact

VARIABLE = "LOAD_TEST_ALLOWED_HOSTS"
NOT_ALLOWED = "not_allowed"
"""The outcome of a request that was not made, because load may not go to its host."""


def is_loopback(name: str) -> bool:
    """Say whether a host name means this machine without asking a resolver."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def allowed_hosts(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the hosts besides this machine that may be loaded, each a name, or a name and a port."""
    return frozenset(name.strip().lower() for name in environment.get(VARIABLE, "").split(",") if name.strip())


def with_allowed(environment: Mapping[str, str], hosts: Iterable[str]) -> dict[str, str]:
    """Return the environment with more hosts that may be loaded: Locust's processes, which get it, go by it too."""
    named = ",".join([*sorted(allowed_hosts(environment)), *hosts])
    return {**environment, VARIABLE: named} if named else dict(environment)


def check_host(host: str, allowed: Iterable[str] = ()) -> str:
    """Return `host` without a trailing slash if load may go there; raises TargetError if not.

    Load goes to loopback only, or to a host that is in `allowed` by name (with or without its port).
    """
    shown = without_user(host)
    try:
        parts = urlsplit(host.strip())
        name, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise TargetError(f"--host {quoted(shown)} is not a URL: {error}", host=shown) from None
    if parts.username is not None or parts.password is not None:
        raise TargetError(
            "--host must not carry a user name or password; give credentials to the locustfile instead", host=shown
        )
    if parts.query or parts.fragment:
        raise TargetError(
            "--host must not carry a query or a fragment: give what requests need to the locustfile", host=name
        )
    # A URL's parser leaves out line ends and tabs, which those who ask the host may not.
    odd = " " in host.strip() or not host.strip().isprintable()
    if parts.scheme not in {"http", "https"} or not name or odd:
        raise TargetError(f"--host {quoted(shown)} is not a URL; write for example http://localhost:8000", host=shown)
    if not is_loopback(name) and not {name, f"{name}:{port}"} & set(allowed):
        raise TargetError(
            f"{name!r} is not this machine and is not allowed: name it with --allow-host {name} "
            f"or in {VARIABLE} if you may load-test it",
            name,
        )
    return host.strip().rstrip("/")


def without_user(host: str) -> str:
    """Return what somebody gave as a host, which may be misspelt in any way: a password may come before an @."""
    return "…@" + host.rpartition("@")[2] if "@" in host else host


def check_launch(launch: str, host: str | None = None) -> str:
    """Return a command that starts a target; raises TargetError if nobody knows where that will listen."""
    if not is_utf8(launch):
        raise TargetError(f"--launch {quoted(redact(launch))} is not UTF-8, so no result could name it")
    if not launch.strip():
        raise TargetError("--launch is empty: give the command that starts the target, with {port} for its port")
    if host is None and "{port}" not in launch:
        raise TargetError(
            f"--launch {quoted(redact(launch))} has no {{port}}, so nobody knows where the target will listen: write "
            f"{{port}} where the command takes its port, or give --host URL too"
        )
    return launch


def split_target(target: str) -> tuple[str | None, str | None]:
    """Return (host, launch) for a notebook's `target`: a URL is a host, anything else a command to start."""
    if re.match(r"[a-z][a-z0-9+.-]*://", target.strip(), re.IGNORECASE):
        return target, None
    return None, target


def is_for_tests(database: str) -> bool:
    """Say whether a database's name has the word "test" in it: ``load_test_db`` and ``OrdersTest``, not ``latest``."""
    words = re.split(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])", database)
    return not {"test", "tests", "testing"}.isdisjoint(word.lower() for word in words)
