"""Users that sleep and stop, in a process of its own each, because Locust patches it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

# A user's only task fails, so that it waits where Locust handles the exception; at its end it asks something more.
STOPPING = """
import json
import gevent, gevent.event
from locust import TaskSet, User, constant, task
from locust.env import Environment
from perflab.record import clients
from perflab.record.health import LostTime

seen, failed, leaving, answered = [], gevent.event.Event(), gevent.event.Event(), gevent.event.Event()
clients.watch_sleepers(LostTime([]))

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
clients.end_think_times()
leaving.wait()
gevent.spawn_later(0.05, answered.set)
runner.stop()
print(json.dumps(seen))
"""


def told(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_who_stops_when_the_run_is_over_may_say_goodbye() -> None:
    assert told(STOPPING) == ["task set", "user"]
