from __future__ import annotations

import json
import statistics
import subprocess
import sys

import pandas as pd
import pytest

from perflab.analyse.health import health
from perflab.record.health import BUSY_CORE, MAX_DIFFERENCES, ClockWatch, Lost, LostTime, Use, mean_wait_ms
from perflab.store.tables import GENERATOR_COLUMNS

MS = 1_000_000
IDLE = Use(elapsed_s=1.0, cpu_s=0.0, queued_s=0.0, rss_mb=60.0)
LAGS = [2.0] * 20

# Two users are there until the process is held up; when it gets on, the run is over and they are gone.
HELD_UP = """
import json, sys
from types import SimpleNamespace
from locust.env import Environment
from perflab.record import source
from perflab.record.clients import InFlight
from perflab.record.health import LostTime, Use

environment = Environment()
environment.runner = SimpleNamespace(user_count=2, target_user_count=2)
lost = LostTime([])
tally, hosts = SimpleNamespace(requests=0, resets=0), SimpleNamespace(other_hosts={}, target_asked=True)
recorder = source.Source(environment, InFlight(), lost, tally, hosts)
for second, took_s, users, lost_s in json.loads(sys.argv[1]):
    environment.runner.user_count = users
    recorder._process_use = SimpleNamespace(take=lambda: Use(took_s, 0.0, 0.0, 60.0))
    lost.sleeps_late_s += [lost_s] * 2
    recorder.note_health(second)
print(json.dumps(recorder.take_batch().generator))
"""


def taken(lost: LostTime, overheads_ms: list[float], use: Use = IDLE, without_wire_time: int = 0) -> Lost:
    return lost.take(overheads_ms, use, without_wire_time, LAGS)


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
    overheads = taken(LostTime([]), [number % 10 for number in range(10 * MAX_DIFFERENCES)]).overheads_ms
    assert len(overheads) == MAX_DIFFERENCES
    # A sample of all of them, not of the first.
    assert 3 <= statistics.median(overheads) <= 6


def test_time_is_lost_to_the_event_loop_or_to_the_client_or_is_work() -> None:
    reads: list[int] = []
    lost = LostTime(reads)
    # Two requests of 2 s more than the wire's: one lay there until the loop was free, one slept; work took 0.1 s.
    reads += [2_000 * MS, 0, -MS]
    lost.sleeps_late_s += [1.5, -0.001]
    found = taken(lost, [2000.0, 2000.0], IDLE._replace(cpu_s=0.1))
    assert found.to_generator_s == pytest.approx(3.5, abs=0.01)
    assert found.to_client_s == pytest.approx(1.9)
    assert taken(lost, []) == (0.0, 0.0, [])


def test_a_lone_user_s_client_at_work_is_no_time_lost() -> None:
    # 1000 requests a second, each with 0.4 ms of work, and an idle process that is woken up after 0.1 ms.
    reads = [MS // 10] * 1000
    lost = taken(LostTime(reads), [0.5] * 1000, IDLE._replace(cpu_s=0.4))
    assert lost.to_generator_s == 0.0
    assert lost.to_client_s == pytest.approx(0.0, abs=1e-9)


def test_having_no_core_is_not_the_clients_will() -> None:
    use = IDLE._replace(cpu_s=0.1, queued_s=0.8)
    assert taken(LostTime([]), [900.0], use).to_client_s == pytest.approx(0.0, abs=1e-9)


def test_short_waits_count_where_the_core_is_used_up() -> None:
    # Four users who take turns: each waits for the three others.
    reads = [3 * MS // 4] * 1000
    lost, waited, _ = taken(LostTime(reads), [1.0] * 1000, IDLE._replace(cpu_s=0.99))
    assert lost == pytest.approx(0.75)
    assert waited == 0


def test_the_busier_the_process_the_less_is_a_short_wait_excused() -> None:
    def lost_ms(wait_ms: int, use: Use) -> float:
        return taken(LostTime([wait_ms * MS]), [], use).to_generator_s * 1000

    assert lost_ms(4, IDLE) == 0
    assert lost_ms(4, IDLE._replace(cpu_s=0.4)) >= 3
    # Ready to run without a core is no idleness.
    assert lost_ms(4, IDLE._replace(cpu_s=0.3, queued_s=BUSY_CORE - 0.3)) == pytest.approx(4)
    assert lost_ms(205, IDLE) == pytest.approx(200)


def test_a_timer_that_is_a_millisecond_late_loses_nothing() -> None:
    lost = LostTime([])
    for late_ms, lost_ms in ((1.0, 0.0), (4.0, 3.0)):
        lost.sleeps_late_s.append(late_ms / 1000)
        assert taken(lost, [], IDLE._replace(cpu_s=1.0)).to_generator_s * 1000 == pytest.approx(lost_ms)


def test_a_request_without_a_wire_time_waits_as_any_other() -> None:
    assert taken(LostTime([]), [], without_wire_time=1000).to_generator_s == 0
    busy = taken(LostTime([]), [], IDLE._replace(cpu_s=1.0), without_wire_time=1000)
    assert busy.to_generator_s == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize(
    ("ticks", "achieved_load"),
    [
        # The window is from 2 to 10. From 7 to 12 neither user gets on: 3 of its 8 seconds are lost.
        ([*((second, 1.0, 2, 0.0) for second in range(7)), (11, 5.0, 0, 5.0)], 5 / 8),
        # From -1 to 4: 2 of them.
        ([(-2, 1.0, 2, 0.0), (3, 5.0, 2, 5.0), *((second, 1.0, 2, 0.0) for second in range(4, 12))], 6 / 8),
    ],
    ids=["at the end", "at the front"],
)
def test_of_what_is_lost_over_an_edge_of_the_window_its_part_counts(
    ticks: list[tuple[object, ...]], achieved_load: float
) -> None:
    command = [sys.executable, "-c", HELD_UP, json.dumps(ticks)]
    rows = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    names = [name for name in GENERATOR_COLUMNS if name != "source"]
    frame = pd.DataFrame(rows, columns=names)
    frame = frame.astype({name: "float64" for name in names[2:] if name != "users"})
    frame = frame.assign(run="users-0002-r1", source="local", steady=frame["second"].between(2, 9))
    [found] = health(frame).to_dict("records")
    assert found["seconds"] == 8
    assert found["achieved_load"] == pytest.approx(achieved_load, abs=0.01)


def test_a_long_delay_is_met_more_often_than_a_short_one() -> None:
    assert mean_wait_ms([3.0] * 20, 0.0) == pytest.approx(3, abs=0.1)
    assert mean_wait_ms([0.0] * 19 + [2000.0], 0.0) > 600
    # The first half of the time that it is met for.
    assert mean_wait_ms([2000.0], 1000.0) == pytest.approx((50 * 1000 + 1000 * 1000 / 2) / 2050)
