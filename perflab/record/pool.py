"""Kept connections are kept: whether one is still open is asked of the kernel's poll, whatever its descriptor.

Before a client sends a request on a connection that it has kept, it looks whether the server has closed it. To do so
geventhttpclient asks `select`, which can't look at descriptors above 1023: with more users than that in a process each
of their requests opens a connection of its own, and what is measured is the service's queue of new connections.

`select` and `poll` are gevent's in a Locust process: they let all other users go first. So does this, because who goes
first decides how many answers each turn of the event loop finds: with few users and a fast service, a generator that
takes them one by one needs a quarter more CPU. While the others have their turn, the user waits for the generator.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from gevent import sleep
from gevent.monkey import get_original
from geventhttpclient.connectionpool import ConnectionPool
from urllib3.connection import HTTPConnection

_poll: Callable[[], Any] = get_original("select", "poll")


def install(waited_ns: list[int]) -> None:
    """Let the pools of Locust's two clients look at their connections by `is_quiet`, where they look at all.

    What the others take that go first is added to `waited_ns`.
    """
    fast: Any = ConnectionPool
    plain: Any = HTTPConnection
    if hasattr(fast, "_is_socket_alive"):
        fast._is_socket_alive = lambda _, sock: is_quiet(sock, waited_ns)
    if isinstance(vars(plain).get("is_connected"), property):
        plain.is_connected = property(lambda connection: is_quiet(connection.sock, waited_ns))


def is_quiet(sock: Any, waited_ns: list[int]) -> bool:
    """Return whether a connection that waits for no answer is open; what there is to read can only be its end."""
    try:
        descriptor = sock.fileno()
        if descriptor < 0:
            return False
        asked = _poll()
        asked.register(descriptor, select.POLLIN)
        ended = asked.poll(0)
    except (AttributeError, OSError, ValueError):
        # None, or closed by somebody else.
        return False
    began = perf_counter_ns()
    sleep(0)
    waited_ns.append(perf_counter_ns() - began)
    return not ended
