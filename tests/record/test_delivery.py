"""Batches over a channel that loses, repeats and reorders: each row lands once, in order."""

from __future__ import annotations

import random

import msgpack  # type: ignore[import-untyped]
import pytest

from perflab.record.delivery import MAX_UNHEARD, Batch, FailureRow, Inbox, LatencyRow, Outbox, Parcel
from perflab.store.recorder_protocol import Totals
from perflab.store.tables import HealthRow


def row(second: int) -> LatencyRow:
    return LatencyRow(second, "GET", "a\\nb", "ok", "client", [1.0], "200", "U", [1])


def batch(number: int) -> Batch:
    return Batch(latency=[row(number)], totals=Totals(requests_finished=number))


@pytest.mark.parametrize("seed", range(20))
def test_a_bad_channel_loses_nothing_and_repeats_nothing(seed: int) -> None:
    rng = random.Random(seed)
    landed: list[tuple[str, int]] = []
    inbox = Inbox(lambda parcel: landed.append((parcel.source, parcel.batch.latency[0].second)))
    under_way: list[Parcel] = []
    outboxes = {name: Outbox(under_way.append, name, 1, patience_s=-1) for name in ("worker-0", "worker-1")}

    def carry() -> None:
        rng.shuffle(under_way)
        for parcel in list(under_way):
            under_way.remove(parcel)
            fate = rng.random()
            for _ in range(0 if fate < 0.3 else 2 if fate > 0.8 else 1):
                number = inbox.receive(parcel)
                if rng.random() < 0.7:
                    outboxes[parcel.source].acknowledge(number)

    for number in range(1, 40):
        for outbox in outboxes.values():
            outbox.put(batch(number))
        carry()
    for _ in range(200):
        for outbox in outboxes.values():
            outbox.repeat()
        carry()
    for name, outbox in outboxes.items():
        assert outbox.empty
        assert [number for source, number in landed if source == name] == list(range(1, 40))


@pytest.mark.parametrize("heard", [True, False])
def test_what_waits_is_given_up_only_where_nobody_listens(heard: bool) -> None:
    landed: list[int] = []
    inbox = Inbox(lambda parcel: landed.append(parcel.batch.totals.requests_finished))
    listening = False

    def send(parcel: Parcel) -> None:
        if listening:
            outbox.acknowledge(inbox.receive(parcel))

    outbox = Outbox(send, "worker-0", 1, patience_s=-1)
    if heard:
        outbox.acknowledge(0)
    most = MAX_UNHEARD + 10
    for number in range(1, most + 1):
        outbox.put(batch(number))
    listening = True
    outbox.repeat()
    outbox.put(batch(most + 1))
    assert outbox.empty
    assert landed == list(range(1 if heard else MAX_UNHEARD + 1, most + 2))


def test_nothing_is_sent_again_before_its_time() -> None:
    sent: list[Parcel] = []
    outbox = Outbox(sent.append, "worker-0", 1, patience_s=60)
    outbox.put(batch(1))
    outbox.repeat()
    assert [parcel.number for parcel in sent] == [1]


def test_a_parcel_comes_through_as_locust_packs_it() -> None:
    failure = FailureRow(1, "GET", "/a", "http_500", "500", "no", "U", 2)
    totals = Totals(requests_finished=1, exceptions={"a": 1})
    parcel = Parcel("worker-0", 4711, 3, Batch([row(1)], [failure], [HealthRow(1, *[2] * 12)], totals, last=True))
    unpacked = msgpack.unpackb(msgpack.packb(parcel.to_message()))
    assert Parcel.from_message(unpacked) == parcel


def test_a_batch_that_can_never_be_sent_holds_up_no_other() -> None:
    landed: list[Parcel] = []
    inbox = Inbox(landed.append)

    def send(parcel: Parcel) -> None:
        try:
            message = msgpack.unpackb(msgpack.packb(parcel.to_message()))
        except OverflowError:
            outbox.strip(parcel.number)
        else:
            outbox.acknowledge(inbox.receive(Parcel.from_message(message)))

    outbox = Outbox(send, "worker-0", 1, patience_s=-1)
    outbox.put(batch(1))
    outbox.put(Batch(latency=[row(2**70)]))
    outbox.put(batch(3))
    assert [parcel.number for parcel in landed] == [1]
    outbox.repeat()
    assert [(parcel.number, len(parcel.batch.latency)) for parcel in landed] == [(1, 1), (2, 0), (3, 1)]
    assert outbox.empty
