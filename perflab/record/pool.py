"""Kept connections are kept: whether one is still open is asked of the kernel's poll, whatever its descriptor.

Before a client sends a request on a connection that it has kept, it looks whether the server has closed it. To do so
geventhttpclient asks `select`, which can't look at descriptors above 1023: with more users than that in a process each
of their requests opens a connection of its own, and what is measured is the service's queue of new connections.

`select` and `poll` are gevent's in a Locust process: they let all other users go first. So does this, because who goes
first decides how many answers each turn of the event loop finds: with few users and a fast service, a generator that
takes them one by one needs a quarter more CPU.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import gevent
from gevent.monkey import get_original
from geventhttpclient.connectionpool import ConnectionPool
from urllib3.connection import HTTPConnection

_poll: Callable[[], Any] = get_original("select", "poll")


def install() -> None:
    """Let the pools of Locust's two clients look at their connections by `is_quiet`, where they look at all."""
    fast: Any = ConnectionPool
    plain: Any = HTTPConnection
    if hasattr(fast, "_is_socket_alive"):
        fast._is_socket_alive = lambda _, sock: is_quiet(sock)
    if isinstance(vars(plain).get("is_connected"), property):
        plain.is_connected = property(lambda connection: is_quiet(connection.sock))


def is_quiet(sock: Any) -> bool:
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
    gevent.sleep(0)
    return not ended
