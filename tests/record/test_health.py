from __future__ import annotations

import pytest

from perflab.record.health import MOST_DIFFERENCES, ClockWatch, LostTime, Use, mean_wait_ms, quantile

MS = 1_000_000
USE = Use(elapsed_s=1.0, cpu_s=0.1, queued_s=0.0, rss_mb=60.0)


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


def test_the_sample_of_client_minus_wire_is_bounded() -> None:
    behind = LostTime([]).take([number % 10 for number in range(10 * MOST_DIFFERENCES)], USE).behind_ms
    assert len(behind) == MOST_DIFFERENCES
    assert behind == sorted(behind)
    # A sample of all of them, not of the first.
    assert 3 <= quantile(behind, 0.5) <= 6


def test_time_is_lost_to_the_event_loop_or_to_the_client_or_is_work() -> None:
    reads: list[int] = []
    lost = LostTime(reads)
    # Two requests of 2 s more than the wire's: one lay there until the loop was free, one slept; work took 0.1 s.
    reads += [2_000 * MS, 0, -MS]
    lost.sleeps_late_s += [1.5, -0.001]
    found = lost.take([2000.0, 2000.0], USE)
    assert found.to_generator_s == pytest.approx(3.49)
    assert found.to_client_s == pytest.approx(1.9)
    assert lost.take([], USE) == (0.0, 0.0, [])


def test_a_lone_user_s_client_at_work_is_no_time_lost() -> None:
    # 1000 requests a second, each with 0.4 ms of work, and an idle process that is woken up after 0.1 ms.
    reads = [MS // 10] * 1000
    lost = LostTime(reads).take([0.5] * 1000, USE._replace(cpu_s=0.4))
    assert lost.to_generator_s == 0.0
    assert lost.to_client_s == pytest.approx(0.0, abs=1e-9)


def test_having_no_core_is_not_the_clients_will() -> None:
    assert LostTime([]).take([900.0], USE._replace(queued_s=0.8)).to_client_s == pytest.approx(0.0, abs=1e-9)


def test_short_waits_count_where_the_core_is_used_up() -> None:
    # Four users who take turns: each waits for the three others.
    reads = [3 * MS // 4] * 1000
    lost, waited, _ = LostTime(reads).take([1.0] * 1000, USE._replace(cpu_s=0.99))
    assert lost == pytest.approx(0.75)
    assert waited == 0


def test_a_long_delay_is_met_more_often_than_a_short_one() -> None:
    assert mean_wait_ms([3.0] * 20) == pytest.approx(3, abs=0.1)
    assert mean_wait_ms([0.0] * 19 + [2000.0]) > 600


def test_quantile() -> None:
    assert quantile([], 0.5) == 0
    assert [quantile([1, 2, 3, 4], q) for q in (0.0, 0.5, 0.99, 1.0)] == [1, 3, 4, 4]
