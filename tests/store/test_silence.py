"""When a run's requests say that its target was lost."""

from __future__ import annotations

import pytest

from perflab.store.silence import find_silence

Seen = dict[tuple[int, str], tuple[float, int]]


def seconds(outcome: str, first: int, last: int, latency_ms: float = 5.0, count: int = 20) -> Seen:
    return {(second, outcome): (latency_ms, count) for second in range(first, last)}


@pytest.mark.parametrize("outcome", ["refused", "reset", "timeout", "dns"])
def test_nothing_answered_from_some_second_to_the_end(outcome: str) -> None:
    found = find_silence(seconds("ok", 0, 10) | seconds(outcome, 10, 20), 20)
    assert found is not None
    assert (found.outcomes, found.requests) == ((outcome,), 200)
    assert 10 <= found.since_s <= 11


def test_users_that_hang_make_no_further_requests() -> None:
    hung = find_silence(seconds("ok", 0, 10) | seconds("unanswered", 9, 10, latency_ms=12_000, count=4), 20)
    assert hung is not None
    assert hung.requests == 4


def test_nothing_was_ever_answered() -> None:
    assert find_silence(seconds("refused", 0, 20), 20) is not None


def test_what_was_never_sent_is_no_answer() -> None:
    found = find_silence(
        seconds("ok", 0, 10) | seconds("refused", 10, 20) | seconds("not_allowed", 0, 20, latency_ms=0.1), 20
    )
    assert found is not None
    assert found.outcomes == ("refused",)


@pytest.mark.parametrize(
    "seen",
    [
        {},
        seconds("ok", 0, 20),
        # An error is an answer, and so is what nobody knows the meaning of.
        seconds("ok", 0, 10) | seconds("http_503", 10, 20),
        seconds("ok", 0, 10) | seconds("MyError", 10, 20),
        # It came back.
        seconds("ok", 0, 10) | seconds("refused", 10, 18) | seconds("ok", 18, 20),
        # A pause at the end, or the last request of the run.
        seconds("ok", 0, 18) | seconds("timeout", 18, 20),
        # One user who asks every five seconds, and whose last request was lost.
        {(second, "ok"): (5.0, 1) for second in range(0, 15, 5)} | {(15, "reset"): (5.0, 1)},
        # Slow answers: those of the first second are on their way until the end.
        seconds("ok", 0, 1, latency_ms=19_000) | seconds("timeout", 1, 20),
        # Some fail among others that are answered.
        seconds("ok", 0, 20) | seconds("refused", 0, 20),
        # Refused at first, and then nobody has asked again.
        seconds("refused", 0, 1),
    ],
)
def test_what_is_no_silence(seen: Seen) -> None:
    assert find_silence(seen, 20) is None
