"""Where load may go: to this machine, to hosts that somebody has allowed by name, and into databases for tests."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

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


def allowing(environment: Mapping[str, str], hosts: Iterable[str]) -> dict[str, str]:
    """Return the environment with further hosts that may be loaded: Locust's processes, which get it, go by it too."""
    named = ",".join([*sorted(allowed_hosts(environment)), *hosts])
    return {**environment, VARIABLE: named} if named else dict(environment)


def is_for_tests(database: str) -> bool:
    """Say whether a database's name has the word "test" in it: ``load_test_db`` and ``OrdersTest``, not ``latest``."""
    words = re.split(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])", database)
    return not {"test", "tests", "testing"}.isdisjoint(word.lower() for word in words)
