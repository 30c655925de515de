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
