"""The cycle collector spares users that stay, and a locustfile's own choice stands. In a process of its own each."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import gc, json
{first}
from locust.env import Environment
from perflab.record import garbage
garbage.install()
environment = Environment()
garbage.spare_users(environment)
users = [[] for _ in range(1000)]
environment.events.spawning_complete.fire(user_count=1000)
print(json.dumps([gc.get_threshold()[0], gc.get_freeze_count(), gc.isenabled()]))
"""


# Tests started and stopped by hand, one after the other.
AGAIN = """
import gc, json, weakref
import gevent
from locust import User, constant, task
from locust.env import Environment
from perflab.record import garbage

users = []
class Web(User):
    wait_time = constant(0.01)
    def on_start(self):
        self.itself = self
        users.append(weakref.ref(self))
    @task
    def nothing(self): pass

environment = Environment(user_classes=[Web], stop_timeout=1)
garbage.spare_users(environment)
runner = environment.create_local_runner()
spared = []
for _ in range(2):
    runner.start(5, 100)
    runner.spawning_greenlet.join()
    spared.append(gc.get_freeze_count() > 1000)
    gevent.sleep(0.05)
    runner.stop()
gevent.sleep(0)
gc.collect()
print(json.dumps([spared, len(users), sum(user() is not None for user in users)]))
"""


def collecting(first: str) -> tuple[int, int, bool]:
    """What is set after `first`: objects until a young collection, objects that are left out, whether there is any."""
    told = subprocess.run(
        [sys.executable, "-c", CODE.format(first=first)], capture_output=True, text=True, check=True
    ).stdout
    young, spared, enabled = json.loads(told)
    return young, spared, enabled


def test_collections_are_rarer_and_spare_what_stays() -> None:
    young, spared, enabled = collecting("")
    assert young >= 10_000
    assert spared > 1000
    assert enabled


def test_a_locustfile_that_collects_more_rarely_still_or_never_is_obeyed() -> None:
    assert collecting("gc.set_threshold(1_000_000)")[0] == 1_000_000
    assert collecting("gc.set_threshold(0)")[0] == 0
    assert collecting("gc.disable()")[1:] == (0, False)


def test_users_go_when_their_test_is_over() -> None:
    told = subprocess.run([sys.executable, "-c", AGAIN], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == [[True, True], 10, 0]
