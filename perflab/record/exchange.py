"""What travels on the wire for one request: when its bytes left, and when the response's bytes arrived.

An exchange belongs to the greenlet that makes the request, so that the `request` event, which fires in the same
greenlet, finds it whichever client made it. It consists of parts: opening a connection, and each send with its
response (a redirect makes several). Only the parts count; time that the client spends between them is the generator's.
All times are nanoseconds of CLOCK_REALTIME, the clock of the kernel's receive times.
"""

from __future__ import annotations

import time
from typing import Any

from gevent import getcurrent

from perflab.vocabulary.measure import CONNECT, Measured

# Two readings of the same clock, one of them rounded to a float.
SAME_MOMENT_NS = 2_000
# A start reckoned back from the event is late by what the client does between reading its clock and the event.
RECKONED_NS = 1_000_000
# A greenlet that never reports its traffic to Locust must not fill the memory.
MAX_PARTS = 64
# Nested requests whose event waits for the end of a `with` block.
MAX_NESTED = 8


class Exchange:
    """The traffic of one request so far.

    `opened` is when Locust's client was called, 0 for a client of the locustfile's own; `under_way` are the method and
    name that it was called with, until it returns; `returned` is when it returned, if the event had not fired by then.
    `sent` and `arrived` belong to the open part, and are 0 without one. Once the event has fired, the exchange is
    `idle`, and the greenlet's next request reuses it.
    """

    __slots__ = (
        *("__weakref__", "arrived", "depth", "idle", "opened", "outer", "parts", "returned", "sent", "under_way"),
        "user_class",
    )

    def __init__(self) -> None:
        self.idle = False
        self.opened = self.sent = self.arrived = self.returned = 0
        self.parts: list[tuple[int, int, bool]] | None = None
        self.under_way: tuple[str, str | bytes] | None = None
        self.outer: Exchange | None = None
        self.depth = 1
        self.user_class = ""

    def follow(self, last: Exchange) -> None:
        """Follow another exchange of the greenlet, which may still wait for its event at the end of a `with`."""
        outer = last if last.returned and not last.idle else last.outer
        if outer is not None and outer.depth < MAX_NESTED:
            self.outer, self.depth = outer, outer.depth + 1

    def begin(self) -> None:
        """Note that bytes are about to leave: a part begins, unless they belong to the open one."""
        if self.arrived:
            self.end_part()
        if not self.sent:
            self.sent = time.time_ns()

    def stamp(self, seconds: int, ns: int) -> int:
        """Note that bytes of a response arrived at this time of the kernel's clock, and return it in ns."""
        at = seconds * 1_000_000_000 + ns
        # What arrived before anything was sent can't be the response to it.
        if at >= self.sent > 0 and at > self.arrived:
            self.arrived = at
        return at

    def end_part(self, took: int | None = None, *, connecting: bool = False) -> None:
        """Close the open part, which took from `sent` to `arrived` unless `took` (ns) is given."""
        if not self.sent:
            return
        if took is None:
            took = self.arrived - self.sent
        if self.parts is None:
            self.parts = []
        elif len(self.parts) >= MAX_PARTS:
            del self.parts[0]
        self.parts.append((self.sent, took, connecting))
        self.sent = self.arrived = 0

    def measured(self, since: int) -> Measured | None:
        """Return what the wire clock tells of everything sent since `since`.

        None if the last send got no response with a receive time.
        """
        if not self.arrived or self.sent < since:
            return None
        total, connect = self.arrived - self.sent, None
        if self.parts:
            for sent, took, connecting in self.parts:
                if sent >= since:
                    total += took
                    if connecting:
                        connect = took if connect is None else connect + took
        return total / 1e6, None if connect is None else {CONNECT: connect / 1e6}


def current_exchange() -> Exchange:
    """Return the exchange to which this greenlet's traffic belongs now; a new one if none is open."""
    greenlet: Any = getcurrent()
    try:
        exchange: Exchange = greenlet.perflab_exchange
        if not exchange.idle and not exchange.returned:
            return exchange
    except AttributeError:
        exchange = greenlet.perflab_exchange = Exchange()
        return exchange
    fresh = greenlet.perflab_exchange = Exchange()
    fresh.follow(exchange)
    return fresh


def take_exchange(start_time: float | None, response_ms: float | None) -> Measured | None:
    """Return what the wire clock tells of the request whose event is firing in this greenlet, None if unknown.

    According to its client, the request began at `start_time` (epoch seconds), or else `response_ms` ago.
    """
    greenlet: Any = getcurrent()
    try:
        exchange: Exchange = greenlet.perflab_exchange
    except AttributeError:
        return None
    if exchange.idle:
        return None
    since = exchange.opened
    # Nearly always the event is of the request that Locust's client is making, on an open connection.
    if exchange.under_way is None or exchange.parts is not None:
        if start_time is not None:
            began = int(start_time * 1e9) - SAME_MOMENT_NS
        else:
            began = time.time_ns() - int((response_ms or 0.0) * 1e6) - RECKONED_NS
        if not since:
            since = began
        elif began + 2 * SAME_MOMENT_NS < since or (exchange.returned and began > exchange.returned):
            # The event is of something else than this request, such as a whole transaction.
            return None
    exchange.idle = True
    if exchange.outer is not None:
        greenlet.perflab_exchange = exchange.outer
    measured = exchange.measured(since)
    # A client that measures less than the whole exchange measures something else.
    return measured if measured is not None and response_ms is not None and measured[0] <= response_ms + 1 else None
