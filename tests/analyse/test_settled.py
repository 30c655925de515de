"""From recorded seconds to the window that is judged, and to the verdict of a run that is not steady."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from perflab.vocabulary.verdict import Verdict

SECONDS = 60


def rows(factor: Callable[[int], float], requests: int = 20) -> list[tuple[Any, ...]]:
    """A minute of requests around 100 ms, times a factor by second, client and wire alike."""
    found: list[tuple[Any, ...]] = []
    for second in range(SECONDS):
        for number in range(requests):
            # A little noise that repeats itself, other from second to second.
            noise = 1 + 0.1 * math.sin(second * 7.3 + number * 2.1)
            for measure in ("client", "wire"):
                found.append((second, "/a", "ok", round(100 * factor(second) * noise, 3), 1, measure))
    return found


def idle(users: int = 10) -> list[tuple[Any, ...]]:
    return [(second, "local", users, 0, 5.0, 0.1, 80.0) for second in range(SECONDS)]


def warm_up(second: int) -> float:
    return max(1.0, 5 - 0.4 * second)


def test_a_steady_run_keeps_its_whole_window(written: Any) -> None:
    written.run(rows(lambda _: 1.0), generator=idle(), window=(5, SECONDS))
    sweep = written.open()
    assert sweep.verdict == "PASS"
    assert sweep.notes == []
    assert (sweep.runs["window_start"].item(), sweep.runs["window_end"].item()) == (5, SECONDS)


def test_a_warm_up_is_left_out_of_every_figure(written: Any) -> None:
    written.limit("p95_ms", 150)
    written.run(rows(warm_up), generator=idle(), window=(0, SECONDS))
    sweep = written.open()
    start = int(sweep.runs["window_start"].item())
    assert 10 <= start <= 25
    assert sweep.verdict == "PASS"
    assert sweep.verdicts["measured"].item() < 112
    assert sweep.totals["requests"].item() == sweep.runs["requests"].item() == 20 * (SECONDS - start)
    assert sweep.totals["rps"].item() == pytest.approx(20)
    for frame in (sweep.latency, sweep.generator, sweep.timeline):
        assert frame.loc[frame["steady"], "second"].min() == start
    [note] = sweep.notes
    assert f"over the first {start} s of the planned window" in note
    # What was left out is in the files all the same.
    assert sweep.latency["second"].min() == 0


def test_a_drift_is_never_passed(written: Any) -> None:
    written.limit("p95_ms", 900)
    written.limit("success_rate", 0.9)
    written.run(rows(lambda second: 1 + 4 * second / SECONDS), generator=idle(), window=(0, SECONDS))
    sweep = written.open()
    assert sweep.verdict == Verdict.INCONCLUSIVE
    assert set(sweep.verdicts["verdict"]) == {Verdict.INCONCLUSIVE}
    assert all("not steady" in advice for advice in sweep.verdicts["advice"])
    [reason] = sweep.reasons
    assert reason.startswith("users-0010-r1: it never became steady: ")
    assert sweep.levels["reasons"].tolist() == [reason]


def test_a_drift_without_objectives_is_no_pass_either(written: Any) -> None:
    written.run(rows(lambda second: 1 + second / SECONDS), generator=idle(), window=(0, SECONDS))
    assert written.open().verdict == Verdict.INCONCLUSIVE


def step(second: int) -> float:
    """Two levels, neither of them long enough to be the steady part."""
    return 1.4 if 20 <= second < 45 else 1.0


@pytest.mark.parametrize("limit", [900, 460])
def test_a_change_without_weight_for_the_objectives_is_a_note(written: Any, limit: float) -> None:
    written.limit("p95_ms", limit)
    written.run(rows(step), generator=idle(), window=(0, SECONDS))
    sweep = written.open()
    assert (sweep.verdict, sweep.reasons) == ("PASS", [])
    [note] = sweep.notes
    assert "no part of at least half of it can be shown to be steady, but of no weight against the objectives" in note
    assert f"allowed are {limit:g} ms" in note


@pytest.mark.parametrize("limit", [350, 190])
def test_the_same_change_has_weight_for_a_tighter_one(written: Any, limit: float) -> None:
    # It moves by some 44 ms: more than a tenth of the limit, or the limit would be reached if it did so again.
    written.limit("p95_ms", limit)
    written.limit("p50_ms", 9000)
    written.run(rows(step), generator=idle(), window=(0, SECONDS))
    sweep = written.open()
    assert sweep.verdict == Verdict.INCONCLUSIVE
    assert "never became steady" in sweep.reasons[0]
    assert sweep.notes == []


def test_without_a_limit_on_latency_nothing_says_what_has_weight(written: Any) -> None:
    written.limit("success_rate", 0.9)
    written.run(rows(step), generator=idle(), window=(0, SECONDS))
    assert written.open().verdict == Verdict.INCONCLUSIVE


def test_a_drift_has_weight_however_far_the_limit_is(written: Any) -> None:
    written.limit("p95_ms", 30_000)
    written.run(rows(lambda second: 1 + second / SECONDS), generator=idle(), window=(0, SECONDS))
    assert written.open().verdict == Verdict.INCONCLUSIVE


def test_an_objective_that_is_missed_stays_missed(written: Any) -> None:
    written.limit("p95_ms", 90)
    written.run(rows(lambda second: 1 + 4 * second / SECONDS), generator=idle(), window=(0, SECONDS))
    sweep = written.open()
    assert sweep.verdict == "FAIL"
    assert "above the allowed 90 ms" in sweep.reasons[0]
    assert "never became steady" in sweep.reasons[1]


def test_each_repeat_has_its_own_window(written: Any) -> None:
    written.run(rows(warm_up), repeat=1, generator=idle(), window=(0, SECONDS))
    written.run(rows(lambda _: 1.0), repeat=2, generator=idle(), window=(0, SECONDS))
    sweep = written.open(repeats=2)
    first, second = sweep.runs["window_start"].tolist()
    assert first >= 10
    assert second == 0
    assert sweep.totals["rps"].item() == pytest.approx(20)


def test_a_short_window_is_judged_and_said_to_be_unchecked(written: Any) -> None:
    written.run(rows(lambda second: 1 + second), generator=idle(), window=(2, 7))
    sweep = written.open()
    assert sweep.verdict == "PASS"
    assert sweep.notes == ["users-0010-r1: 5 s is too short to be checked for a steady state"]


def test_a_front_that_the_generator_has_lost_is_not_left_out_of_its_account(written: Any) -> None:
    # The generator is stopped for 12 s; then all goes on as if nothing had been.
    lost = [(*idle()[second][:7], 10, 0.1, 12.0, 9.0, 11.0, 9.8 if second < 12 else 0.0) for second in range(SECONDS)]
    requests = [row for row in rows(lambda _: 1.0) if row[0] >= 12]
    written.run(requests, generator=lost, window=(0, SECONDS))
    sweep = written.open()
    assert int(sweep.runs["window_start"].item()) >= 12
    assert sweep.verdict == "INVALID"
    assert "20 % less load" in sweep.reasons[0]
