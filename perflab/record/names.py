"""Looking up hosts: an address is answered at once, and what a name waits for a thread is the generator's time.

gevent looks up every host in a thread, an address like 127.0.0.1 too. A busy event loop leaves its threads little time:
thousands of users that open their connections would wait for seconds, within their requests.
"""

from __future__ import annotations

import _socket
from time import time_ns
from typing import Any

from gevent.resolver.thread import Resolver


def install(waited_ns: list[int]) -> None:
    """Look up addresses without a thread, and add what each name waits beyond its look-up to `waited_ns`."""
    resolver: Any = Resolver

    def getaddrinfo(self: Any, host: Any, port: Any, *how: int) -> Any:
        family, kind, protocol, flags = (*how, 0, 0, 0, 0)[:4]
        try:
            return _socket.getaddrinfo(host, port, family, kind, protocol, flags | _socket.AI_NUMERICHOST)
        except _socket.gaierror:
            # It is a name, or not to be found.
            took = 0

        def look_up() -> Any:
            nonlocal took
            began = time_ns()
            try:
                return _socket.getaddrinfo(host, port, family, kind, protocol, flags)
            finally:
                took = time_ns() - began

        asked = time_ns()
        try:
            return self.pool.apply(look_up)
        finally:
            waited_ns.append(time_ns() - asked - took)

    resolver.getaddrinfo = getaddrinfo
