"""Which traffic belongs to which request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from gevent import getcurrent

from perflab.record.exchange import MOST_PARTS, Exchange, current_exchange, take_exchange

MS = 1_000_000


@pytest.fixture(autouse=True)
def fresh_greenlet() -> Iterator[None]:
    greenlet: Any = getcurrent()
    greenlet.perflab_exchange = None
    yield
    greenlet.perflab_exchange = None


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
    assert exchange.measured(0) == (30.0, 3.0)
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
    request = greenlet.perflab_exchange = Exchange(opened=time.time_ns() + 50 * MS)
    answered(request, request.opened, 5)
    assert take_exchange(begun, 300.0) is None
    assert greenlet.perflab_exchange is request
    assert take_exchange(request.opened / 1e9, 300.0) == (5.0, None)


def test_an_event_after_the_with_block_of_another_request_finds_its_own() -> None:
    greenlet: Any = getcurrent()
    outer = Exchange(opened=time.time_ns())
    answered(outer, outer.opened, 5)
    outer.returned = outer.opened + 6 * MS
    inner = greenlet.perflab_exchange = Exchange(opened=outer.opened + 7 * MS, outer=outer)
    answered(inner, inner.opened, 2)
    inner.returned = inner.opened + 3 * MS
    assert take_exchange(inner.opened / 1e9, 3.0) == (2.0, None)
    assert take_exchange(outer.opened / 1e9, 6.0) == (5.0, None)
    assert take_exchange(time.time(), 1.0) is None


def test_a_client_that_measures_less_than_the_exchange_is_believed() -> None:
    exchange = current_exchange()
    answered(exchange, time.time_ns(), 500)
    assert take_exchange(None, 3.0) is None


def test_a_greenlet_that_never_tells_does_not_fill_the_memory() -> None:
    exchange = current_exchange()
    for _ in range(10 * MOST_PARTS):
        exchange.begin()
        exchange.arrived = exchange.sent
    assert exchange.parts is not None
    assert len(exchange.parts) == MOST_PARTS
