"""Users that sleep, stop and belong to a side, in a process of its own each, because Locust patches it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# Whoever sleeps 10 ms is woken up 40 ms late, because somebody computes for 50 ms.
SLEEPING = """
import json, socket, time
import gevent, gevent.hub
from locust import User, constant
from locust.env import Environment
from locust.user.task import DefaultTaskSet
from perflab.record import tuning, users
from perflab.record.exchange import Exchange

between, within = [], []
users.watch_sleepers(between, within)
here, there = socket.socketpair()

class Web(User):
    wait_time = constant(0.01)

def compute():
    end = time.perf_counter() + 0.05
    while time.perf_counter() < end: pass

def late(sleep, user=None, exchange=None):
    def sleeping(_):
        gevent.getcurrent().perflab_exchange = exchange or ended
        sleep()
    del between[:], within[:]
    gevent.joinall([gevent.spawn(sleeping, user), gevent.spawn(compute)], raise_error=True)
    return [late_s > 0.03 for late_s in between], [late_ns > 3e7 for late_ns in within]

ended = Exchange()
ended.idle = True
user = Web(Environment())
user._state = "running"
print(json.dumps({
    "wait": late(DefaultTaskSet(user).wait, user),
    "gevent": late(lambda: gevent.sleep(0.01), user),
    "hub": late(lambda: gevent.hub.sleep(seconds=0.01), user),
    "time": late(lambda: time.sleep(0.01), user),
    "request": late(lambda: time.sleep(0.01), user, Exchange()),
    "pool": late(lambda: tuning.is_quiet(here, within), user, Exchange()),
    "nobody": late(lambda: gevent.sleep(0.01)),
}))
"""

# A user's only task fails, so that it waits where Locust handles the exception; at its end it asks something more.
STOPPING = """
import json
import gevent, gevent.event
from locust import TaskSet, User, constant, task
from locust.env import Environment
from perflab.record import users

seen, failed, leaving, answered = [], gevent.event.Event(), gevent.event.Event(), gevent.event.Event()
users.watch_sleepers([], [])

class Failing(TaskSet):
    @task
    def fail(self):
        failed.set()
        raise ValueError
    def on_stop(self): seen.append("task set")

class Web(User):
    wait_time = constant(0.1)
    tasks = [Failing]
    def on_stop(self):
        leaving.set()
        answered.wait()
        seen.append("user")

runner = Environment(user_classes=[Web], stop_timeout=20).create_local_runner()
runner.start(1, 10)
failed.wait()
users.end_think_times()
leaving.wait()
gevent.spawn_later(0.05, answered.set)
runner.stop()
print(json.dumps(seen))
"""


def told(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_every_sleep_of_a_user_is_noted_once_and_of_nobody_else() -> None:
    late, thinking, asking = told(SLEEPING), [[True], []], [[], [True]]
    assert late == {
        **dict.fromkeys(("wait", "gevent", "hub", "time"), thinking),
        **dict.fromkeys(("request", "pool"), asking),
        "nobody": [[], []],
    }


def test_who_stops_when_the_run_is_over_may_say_goodbye() -> None:
    assert told(STOPPING) == ["task set", "user"]


DUET = """
from types import SimpleNamespace
from perflab.record import users
from perflab.store.recorder_protocol import Side

def misrouted(own, other, url):
    split = users.Duet([Side(run_dir="a", host=own), Side(run_dir="b", host=other)])
    users.getcurrent = lambda: SimpleNamespace(perflab_user_class="User@0")
    split._on_request(url=url)
    return split.misrouted
"""


def shown(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", DUET + code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize(
    ("own", "other", "url", "misrouted"),
    [
        ("http://a:80", "http://a:8000", "http://a:80/x", 0),
        ("http://a:80", "http://a:8000", "http://a:8000/x", 1),
        ("http://a:8000", "http://a:80", "http://a:8000/x", 0),
        ("http://a/api/v2", "http://a/api", "http://a/api/v2/x", 0),
        ("http://a", "http://b", "http://b", 1),
        ("http://a", "http://b", "http://elsewhere/x", 0),
    ],
)
def test_a_request_is_misrouted_only_to_the_other_host_itself(own: str, other: str, url: str, misrouted: int) -> None:
    assert shown(f"print(misrouted({own!r}, {other!r}, {url!r}))") == str(misrouted)


def test_each_class_is_split_evenly_and_so_are_all_users() -> None:
    code = """
import random
for seed in range(200):
    sizes = [random.Random(seed + at).randrange(1, 30) for at in range(4)]
    drawn = [name for name, size in zip("ABCD", sizes) for _ in range(size)]
    random.Random(seed).shuffle(drawn)
    split = users.Duet([Side(run_dir="a", host="http://a"), Side(run_dir="b", host="http://b")])
    sides = [(split.choose(user), user) for user in drawn]
    for name, size in zip("ABCD", sizes):
        assert abs(2 * sum(side == (0, name) for side in sides) - size) <= 1, (seed, name)
    print(abs(2 * sum(side == 0 for side, _ in sides) - len(drawn)))
"""
    assert max(map(int, shown(code).split())) <= 2
