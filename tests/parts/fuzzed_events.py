"""Whatever a locustfile can put into an event, through the real recorder into a run's folder and read back.

A process of its own, because Locust patches it. It ends with an AssertionError where anything is lost, and prints how
many events there were.
"""

from __future__ import annotations

import http
import logging
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
from gevent import getcurrent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from locust.env import Environment
from locust.exception import CatchResponseError

from perflab.analyse.reading import FAILURES, LATENCY, RESPONSES, read_table
from perflab.record.clients import AllowedHosts, InFlight
from perflab.record.delivery import Parcel
from perflab.record.exchange import Exchange
from perflab.record.exporter import LoadTest
from perflab.record.health import LostTime
from perflab.record.locust_statistics import LocustTally
from perflab.record.source import Source
from perflab.record.writer import RunWriter
from perflab.store.layout import RunDir
from perflab.store.tables import create_tables


class Awkward(Exception):  # noqa: N818
    """An exception whose text can't be had."""

    def __str__(self) -> str:
        raise ValueError("no text")

    @property
    def reason(self) -> str:
        raise KeyError("no reason")


class Textless(Exception):  # noqa: N818
    def __str__(self) -> Any:
        return 5


class Unsure(Exception):  # noqa: N818
    def __bool__(self) -> bool:
        raise RuntimeError


class Unhashable(str):
    __hash__: Any = None
    __slots__ = ()

    def __str__(self) -> str:
        return self


class Closed:
    @property
    def status_code(self) -> int:
        raise ConnectionError("closed")


def named(name: str) -> Exception:
    """An exception of a class of this name."""
    return type(name, (Exception,), {})("x")  # type: ignore[no-any-return]


NOW = time.time()
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**4400),
    st.floats(),
    st.floats(min_value=0, max_value=5000),
    st.decimals(),
    st.text(),
    st.text(alphabet=st.characters(categories=["Cs", "Cc"]), max_size=5),
    st.text(alphabet="-a:/@?&= \n\"',", max_size=40),
    st.binary(),
    st.just("x" * 5_000),
    st.just(Unhashable("x")),
    st.just(object()),
    st.just([1]),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from([np.float64(3.5), np.float32(2), np.int64(7), np.array([1.0, 2.0]), np.datetime64("now")]),
    st.sampled_from([Decimal("sNaN"), datetime.now(UTC), NOW, NOW * 1000, NOW * 1e9, time.perf_counter(), -NOW]),
)
CAUSES = st.one_of(
    SCALARS,
    st.builds(lambda text: Exception(text), SCALARS),
    st.builds(lambda text: CatchResponseError(text), st.text()),
    st.sampled_from([Awkward(), Textless(), Unsure(), TimeoutError(), named("ok"), named("unanswered"), named("a\nb")]),
)
ANSWERS = st.one_of(
    st.builds(lambda status: SimpleNamespace(status_code=status), st.one_of(SCALARS, st.integers(100, 599))),
    st.sampled_from([None, Closed(), SimpleNamespace(status_code=http.HTTPStatus.OK)]),
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "request_type": st.one_of(st.just("GET"), SCALARS),
        "name": st.one_of(st.just("/a"), SCALARS),
        "response_time": st.one_of(st.floats(0, 100), SCALARS),
        "response_length": st.one_of(st.just(0), SCALARS),
        "exception": st.one_of(st.none(), CAUSES),
        "response": ANSWERS,
        "start_time": SCALARS,
        "context": SCALARS,
        "url": SCALARS,
        "something_else": SCALARS,
    },
)


USUAL: dict[str, Any] = {
    "request_type": "GET",
    "name": "/usual",
    "response_time": 5.0,
    "response_length": 2,
    "response": SimpleNamespace(status_code=200),
    "exception": None,
    "context": {},
}


def carry() -> None:
    """Leave behind what Locust's own client does when an answer came in, so that the event is told of it."""
    greenlet: Any = getcurrent()
    exchange = greenlet.perflab_exchange = Exchange()
    greenlet.perflab_user_class = "User"
    exchange.under_way = "GET", "/a"
    exchange.opened = exchange.sent = time.time_ns()
    exchange.arrived = exchange.sent + 1000


def failed(exception: object) -> bool:
    try:
        return bool(exception)
    except Exception:
        return True


def main() -> None:
    """Fire them all."""
    # Locust's own statistics refuse many of the events, each with a traceback.
    logging.disable(logging.CRITICAL)
    environment = Environment()
    environment.create_local_runner()
    tally = LocustTally(environment)
    tally.install()
    source = Source(environment, InFlight(), LostTime([]), tally, AllowedHosts(environment, by_hand=False))
    source.listen()
    fired = [0]

    @settings(max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(EVENTS, min_size=25, max_size=50), st.integers(0, 2**50 - 1))
    def check(events: list[dict[str, Any]], carried: int) -> None:
        with tempfile.TemporaryDirectory() as name:
            run = RunDir(Path(name))
            create_tables(run.path, managed=False)
            writer = RunWriter(run.path, source.faults)
            writer.state.start = int(NOW)
            before = source.take_batch().totals
            for number, event in enumerate(events):
                if carried >> number & 1:
                    carry()
                environment.events.request.fire(**event)
            # The first of its kind in a second goes another way through the recorder than those that follow.
            for _ in range(3):
                carry()
                environment.events.request.fire(**USUAL)
            events = [*events, *[USUAL] * 3]
            fired[0] += len(events)
            source.note_health(int(time.time()))
            batch = source.take_batch()
            # On the way that a worker's batches take.
            packed = msgpack.packb(Parcel("local", 1, 1, batch).to_message())
            parcel = Parcel.from_message(msgpack.unpackb(packed))
            writer.take(parcel)
            exporter = LoadTest(sweep_id="", run="")
            exporter.take(parcel)
            exported = sum(
                sample.value
                for metric in exporter.collect()
                for sample in metric.samples
                if sample.name == "load_test_requests_total"
            )
            assert exported == len(events)
            latency, responses, failures = (
                read_table(path, table).frame
                for path, table in ((run.latency, LATENCY), (run.responses, RESPONSES), (run.failures, FAILURES))
            )
            counted = latency[latency["measure"] == "client"]
            totals = batch.totals
            assert not totals.recorder_faults, totals.recorder_fault
            assert counted["count"].sum() == responses["count"].sum() == len(events)
            recorded = writer.state.sources["local"].totals.requests_recorded
            assert totals.requests_finished - before.requests_finished == recorded == len(events)
            assert totals.locust_finished <= totals.requests_finished
            without_latency = counted["latency_ms"].isna()
            assert counted.loc[without_latency, "count"].sum() == totals.without_latency - before.without_latency
            of_failed = sum(failed(event.get("exception")) for event in events)
            assert counted.loc[counted["outcome"] != "ok", "count"].sum() == failures["count"].sum() == of_failed
            assert (counted["outcome"] != "unanswered").all()
            assert latency["second"].between(0, time.time() - NOW + 2).all()
            on_wire = latency[(latency["measure"] == "wire") & (latency["name"] == USUAL["name"])]
            assert on_wire["count"].sum() == 3
            usable = [event for event in events if usual(event.get("response_time"))]
            assert counted.loc[~without_latency, "count"].sum() >= len(usable)

    check()
    print(fired[0])


def usual(response_time: object) -> bool:
    return isinstance(response_time, float) and 0 <= response_time < 1e9


if __name__ == "__main__":
    main()
