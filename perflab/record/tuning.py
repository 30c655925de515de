"""Work that Python and the clients' libraries do beside the requests: made cheaper, or counted as the generator's."""

from __future__ import annotations

import _socket
import gc
import select
import sys
import typing
from collections.abc import Callable
from functools import cache
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any

from gevent import sleep
from gevent.monkey import get_original
from gevent.resolver.thread import Resolver
from geventhttpclient.connectionpool import ConnectionPool
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    from locust.env import Environment

# The objects of some hundred requests in flight; if all of them were garbage, some MB.
YOUNG_OBJECTS = 20_000

_poll: Callable[[], Any] = get_original("select", "poll")


def install(waited_ns: list[int]) -> None:
    """Apply everything here but `spare_users`; times that users wait for the generator are added to `waited_ns`."""
    look_up_addresses_at_once(waited_ns)
    keep_connections(waited_ns)
    collect_rarely()
    remember_protocols()


def keep_connections(waited_ns: list[int]) -> None:
    """Have the pools of Locust's two clients check by `is_quiet` whether a kept connection is still open.

    geventhttpclient checks with `select`, which can't handle descriptors above 1023: with more users than that in a
    process, each request would open a new connection, and the service's accept queue would be measured.
    """
    fast: Any = ConnectionPool
    plain: Any = HTTPConnection
    if hasattr(fast, "_is_socket_alive"):
        fast._is_socket_alive = lambda _, sock: is_quiet(sock, waited_ns)
    if isinstance(vars(plain).get("is_connected"), property):
        plain.is_connected = property(lambda connection: is_quiet(connection.sock, waited_ns))


def is_quiet(sock: Any, waited_ns: list[int]) -> bool:
    """Return whether an idle connection is open: if there is anything to read, it can only be the end.

    In a Locust process `select` and `poll` are gevent's, which let all other greenlets run first. So does this, because
    it lets each turn of the event loop find more responses: with few users and a fast service, a generator that takes
    them one by one needs a quarter more CPU. The time that the others take is added to `waited_ns`.
    """
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


def look_up_addresses_at_once(waited_ns: list[int]) -> None:
    """Resolve IP addresses without a thread; for a name, add the time beyond its look-up to `waited_ns`.

    gevent resolves every host in a thread, even 127.0.0.1. A busy event loop leaves threads little time, and thousands
    of users that open their connections would wait for seconds within their requests.
    """
    resolver: Any = Resolver

    def getaddrinfo(self: Any, host: Any, port: Any, *how: int) -> Any:
        family, kind, protocol, flags = (*how, 0, 0, 0, 0)[:4]
        try:
            return _socket.getaddrinfo(host, port, family, kind, protocol, flags | _socket.AI_NUMERICHOST)
        except _socket.gaierror:
            # It is a name, or can't be found.
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


def collect_rarely() -> None:
    """Run Python's cycle collector less often, unless the locustfile itself has chosen even less.

    By default it runs whenever 700 more objects have been created than freed, which a few requests in flight are. Each
    user has some hundred objects; with some thousand users a collection takes a tenth of a second, during which no
    user can run.
    """
    young, *older = gc.get_threshold()
    if 0 < young < YOUNG_OBJECTS:
        gc.set_threshold(YOUNG_OBJECTS, *older)


def spare_users(environment: Environment) -> None:
    """Have the collector ignore all objects that exist once all users run, until the test stops."""
    environment.events.spawning_complete.add_listener(_freeze)
    # Plain Locust's tests may be started and stopped any number of times: their users would stay in memory.
    environment.events.test_stop.add_listener(lambda **_: gc.unfreeze())


def _freeze(**_: Any) -> None:
    if gc.isenabled():
        # Collect first, because garbage would stay, too. It takes a while, but the users haven't settled yet.
        gc.collect()
        gc.freeze()


def remember_protocols() -> None:
    """Cache the members of each protocol, as later versions of Python do by themselves.

    requests tells kinds of arguments apart by protocols (`isinstance(value, SupportsItems)`), nine times per request,
    and Python before 3.12 collects the protocol's members each time, which takes some 25 µs.
    """
    module: Any = typing
    if sys.version_info < (3, 12) and hasattr(module, "_get_protocol_attrs"):
        module._get_protocol_attrs = cache(module._get_protocol_attrs)
