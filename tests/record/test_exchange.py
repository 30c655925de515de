"""Which traffic belongs to which request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from gevent import getcurrent

from perflab.record.exchange import MAX_NESTED, MAX_PARTS, Exchange, current_exchange, take_exchange
from perflab.vocabulary.measure import CONNECT

MS = 1_000_000


@pytest.fixture(autouse=True)
def fresh_greenlet() -> Iterator[None]:
    greenlet: Any = getcurrent()
    vars(greenlet).pop("perflab_exchange", None)
    yield
    vars(greenlet).pop("perflab_exchange", None)


def called(opened: int, outer: Exchange | None = None) -> Exchange:
    """The exchange of a request that Locust's client was asked for, in this greenlet."""
    greenlet: Any = getcurrent()
    exchange = greenlet.perflab_exchange = Exchange()
    exchange.opened, exchange.under_way = opened, ("GET", "/")
    if outer is not None:
        exchange.follow(outer)
    return exchange


def came_back(exchange: Exchange, after_ms: int) -> None:
    """Locust's client has returned, and the event waits for the end of the `with` block."""
    exchange.under_way = None
    exchange.returned = exchange.opened + after_ms * MS


def answered(exchange: Exchange, sent: int, took_ms: int) -> None:
    exchange.sent = sent
    exchange.stamp(0, sent + took_ms * MS)


def test_parts_add_up_and_what_lies_between_does_not() -> None:
    exchange = Exchange()
    exchange.sent = 10 * MS
    exchange.end_part(3 * MS, connecting=True)
    answered(exchange, 50 * MS, 20)
    exchange.end_part()
    answered(exchange, 900 * MS, 7)
    assert exchange.measured(0) == (30.0, {CONNECT: 3.0})
    # What was sent before the request began is not its own.
    assert exchange.measured(20 * MS) == (27.0, None)
    assert exchange.measured(901 * MS) is None


def test_only_the_last_stamp_of_an_answer_counts_and_only_after_the_sending() -> None:
    exchange = Exchange()
    exchange.stamp(0, 5)
    assert exchange.arrived == 0
    exchange.sent = 100
    for at in (99, 150, 120):
        exchange.stamp(0, at)
    assert exchange.arrived == 150


def test_an_unanswered_sending_has_no_time() -> None:
    exchange = current_exchange()
    answered(exchange, time.time_ns(), 5)
    exchange.begin()
    assert exchange.sent > 0
    assert take_exchange(time.time() - 1, 1000.0) is None


def test_a_transaction_around_requests_takes_none_of_them() -> None:
    greenlet: Any = getcurrent()
    begun = time.time()
    request = called(time.time_ns() + 50 * MS)
    answered(request, request.opened, 5)
    came_back(request, 6)
    assert take_exchange(begun, 300.0) is None
    assert greenlet.perflab_exchange is request
    assert take_exchange(request.opened / 1e9, 300.0) == (5.0, None)
    assert take_exchange(request.opened / 1e9, 300.0) is None


def test_an_event_after_the_with_block_of_another_request_finds_its_own() -> None:
    outer = called(time.time_ns())
    answered(outer, outer.opened, 5)
    came_back(outer, 6)
    # Traffic that nobody tells of, and another request, within the block.
    assert current_exchange() is not outer
    answered(current_exchange(), outer.opened + 6 * MS, 90)
    inner = called(outer.opened + 7 * MS, current_exchange())
    answered(inner, inner.opened, 2)
    assert take_exchange(inner.opened / 1e9, 3.0) == (2.0, None)
    assert take_exchange(outer.opened / 1e9, 6.0) == (5.0, None)
    assert take_exchange(time.time(), 1.0) is None


def test_events_that_never_come_do_not_chain_up() -> None:
    outer = None
    for _ in range(10 * MAX_NESTED):
        exchange = called(time.time_ns(), outer)
        came_back(exchange, 1)
        outer = exchange
    depth, link = 0, outer
    while link is not None:
        depth, link = depth + 1, link.outer
    assert depth <= MAX_NESTED


def test_a_client_that_measures_less_than_the_exchange_is_believed() -> None:
    exchange = current_exchange()
    answered(exchange, time.time_ns(), 500)
    assert take_exchange(None, 3.0) is None


def test_a_greenlet_that_never_tells_does_not_fill_the_memory() -> None:
    exchange = current_exchange()
    for _ in range(10 * MAX_PARTS):
        exchange.begin()
        exchange.arrived = exchange.sent
    assert exchange.parts is not None
    assert len(exchange.parts) == MAX_PARTS
