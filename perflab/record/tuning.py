"""What Python and the clients' libraries do beside the requests, made cheaper, or counted as the generator's time."""

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

# As many objects as some hundred requests under way are made of; if all of them were garbage, some MB.
YOUNG_OBJECTS = 20_000

_poll: Callable[[], Any] = get_original("select", "poll")


def install(waited_ns: list[int]) -> None:
    """Do all of it from now on, but for `spare_users`; what users wait for the generator is added to `waited_ns`."""
    look_up_addresses_at_once(waited_ns)
    keep_connections(waited_ns)
    collect_rarely()
    remember_protocols()


def keep_connections(waited_ns: list[int]) -> None:
    """Let the pools of Locust's two clients look at their kept connections by `is_quiet`, where they look at all.

    Before a client sends a request on a connection that it has kept, it looks whether the server has closed it. To do
    so geventhttpclient asks `select`, which can't look at descriptors above 1023: with more users than that in a
    process each of their requests opens a connection of its own, and what is measured is the service's queue of new
    connections.
    """
    fast: Any = ConnectionPool
    plain: Any = HTTPConnection
    if hasattr(fast, "_is_socket_alive"):
        fast._is_socket_alive = lambda _, sock: is_quiet(sock, waited_ns)
    if isinstance(vars(plain).get("is_connected"), property):
        plain.is_connected = property(lambda connection: is_quiet(connection.sock, waited_ns))


def is_quiet(sock: Any, waited_ns: list[int]) -> bool:
    """Return whether a connection that waits for no answer is open; what there is to read can only be its end.

    `select` and `poll` are gevent's in a Locust process: they let all other users go first. So does this, because who
    goes first decides how many answers each turn of the event loop finds: with few users and a fast service, a
    generator that takes them one by one needs a quarter more CPU. What the others take is added to `waited_ns`.
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
    """Look up addresses without a thread, and add what each name waits beyond its look-up to `waited_ns`.

    gevent looks up every host in a thread, an address like 127.0.0.1 too. A busy event loop leaves its threads little
    time: thousands of users that open their connections would wait for seconds, within their requests.
    """
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


def collect_rarely() -> None:
    """Run Python's cycle collector more rarely; what the locustfile has decided for itself stays, if it is rarer still.

    By default a collection is due whenever 700 more objects were made than freed, which a few requests under way are.
    Each user is some hundred objects, and while the collector looks at all of them, a tenth of a second with some
    thousand users, nobody gets on.
    """
    young, *older = gc.get_threshold()
    if 0 < young < YOUNG_OBJECTS:
        gc.set_threshold(YOUNG_OBJECTS, *older)


def spare_users(environment: Environment) -> None:
    """Have the collector leave out what is there when all users of this environment run, for as long as they do."""
    environment.events.spawning_complete.add_listener(_freeze)
    # Plain Locust may be started and stopped as often as one likes: the users of each test would stay in memory.
    environment.events.test_stop.add_listener(_release)


def _freeze(**_: Any) -> None:
    if gc.isenabled():
        # Once more now, because garbage would stay too. It takes a while, and the users have yet to settle.
        gc.collect()
        gc.freeze()


def _release(**_: Any) -> None:
    gc.unfreeze()


def remember_protocols() -> None:
    """Keep what each protocol asks for, as later versions of Python do by themselves.

    requests tells the kinds of its arguments apart by protocols (`isinstance(value, SupportsItems)`), nine times a
    request, and Python before 3.12 works out anew each time what the protocol asks for, which takes some 25 µs.
    """
    module: Any = typing
    if sys.version_info < (3, 12) and hasattr(module, "_get_protocol_attrs"):
        module._get_protocol_attrs = cache(module._get_protocol_attrs)
