from __future__ import annotations

import pytest

from perflab.record.health import MOST_DIFFERENCES, ClockWatch, LostTime, quantile

MS = 1_000_000


class Clocks:
    """Two clocks that advance by a microsecond at each reading; the second reading of a pair may be interrupted."""

    def __init__(self) -> None:
        self.now = 0
        self.set_by = 0
        self.interruptions = 0

    def of_day(self) -> int:
        self.now += 1000
        return 1_700_000_000_000_000_000 + self.now + self.set_by

    def steady(self) -> int:
        self.now += 1000
        if self.interruptions:
            self.interruptions -= 1
            self.now += 40 * MS
        return self.now


@pytest.mark.parametrize("step_ms", [-3000, -5, 5, 250])
def test_a_clock_that_is_set_is_noticed(step_ms: int) -> None:
    clocks = Clocks()
    watch = ClockWatch(clocks.of_day, clocks.steady)
    clocks.now += 1000 * MS
    assert watch.take() == pytest.approx(0, abs=0.01)
    clocks.set_by += step_ms * MS
    assert watch.take() == pytest.approx(abs(step_ms), abs=0.01)
    assert watch.take() == pytest.approx(0, abs=0.01)


def test_being_interrupted_between_two_readings_is_no_step() -> None:
    clocks = Clocks()
    watch = ClockWatch(clocks.of_day, clocks.steady)
    clocks.interruptions = 5
    assert watch.take() == pytest.approx(0, abs=0.05)


def test_real_clocks_do_not_step() -> None:
    watch = ClockWatch()
    assert max(watch.take() for _ in range(1000)) < 1


def test_lost_time_adds_up_and_its_sample_is_bounded() -> None:
    lost = LostTime()
    lost.woken_late_s += 2
    seconds, behind = lost.take([number % 10 for number in range(10 * MOST_DIFFERENCES)])
    assert seconds == pytest.approx(2 + 4.5 * MOST_DIFFERENCES * 10 / 1000)
    assert len(behind) == MOST_DIFFERENCES
    assert behind == sorted(behind)
    # A sample of all of them, not of the first.
    assert 3 <= quantile(behind, 0.5) <= 6
    assert lost.take([]) == (0.0, [])


def test_quantile() -> None:
    assert quantile([], 0.5) == 0
    assert [quantile([1, 2, 3, 4], q) for q in (0.0, 0.5, 0.99, 1.0)] == [1, 3, 4, 4]
