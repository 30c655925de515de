"""The cycle collector spares users that stay, connections are kept, hosts and protocols are looked up as ever.

What changes Python or Locust for good is tried in a process of its own.
"""

from __future__ import annotations

import _socket
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from gevent.resolver.thread import Resolver

import perflab
from perflab.record import tuning
from tests.parts.keeping_server import ANSWERS

COLLECTING = """
import gc, json
{first}
from locust.env import Environment
from perflab.record import tuning
tuning.collect_rarely()
environment = Environment()
tuning.spare_users(environment)
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
from perflab.record import tuning

users = []
class Web(User):
    wait_time = constant(0.01)
    def on_start(self):
        self.itself = self
        users.append(weakref.ref(self))
    @task
    def nothing(self): pass

environment = Environment(user_classes=[Web], stop_timeout=1)
tuning.spare_users(environment)
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
        [sys.executable, "-c", COLLECTING.format(first=first)], capture_output=True, text=True, check=True
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


# Few users are enough where all low descriptors are taken.
LOCUSTFILE = """
import os, resource
from locust import FastHttpUser, HttpUser, constant, task

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (2000 if hard < 0 else min(2000, hard), hard))
while os.dup(0) < 1100: pass

class Fast(FastHttpUser):
    fixed_count = 2
    wait_time = constant(0.05)
    @task
    def get(self): self.client.get("/fast")

class Requests(HttpUser):
    fixed_count = 2
    wait_time = constant(0.05)
    @task
    def get(self): self.client.get("/requests")
"""


@pytest.fixture
def server() -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).parents[1] / "parts" / "keeping_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_connections_above_descriptor_1023_are_kept(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    sweep = perflab.sweep(
        server,
        locustfile=tmp_path / "locustfile.py",
        users=4,
        spawn_rate=100,
        duration=2,
        runs_dir=tmp_path / "runs",
        progress="none",
    )
    with urlopen(f"{server}/opened") as answer:  # noqa: S310
        opened = json.load(answer)
    for name in ("/fast", "/requests"):
        rows = sweep.latency[sweep.latency["name"] == name]
        made = rows[rows["measure"] == "client"]
        # Whoever overlooks the end of a connection fails on it.
        assert set(made["outcome"]) == {"ok"}
        requests = int(made["count"].sum())
        assert requests > 2 * ANSWERS
        # Two users, each with a new connection only when the server has ended the last one.
        assert opened[name] <= requests / ANSWERS + 2
        assert rows[rows["measure"] == "connect"]["count"].sum() == opened[name]
    assert not any("connection" in note for note in sweep.notes)


@pytest.mark.parametrize(("host", "waits"), [("127.0.0.1", 0), ("::1", 0), ("localhost", 1)])
@pytest.mark.parametrize("how", [(), (_socket.AF_UNSPEC, _socket.SOCK_STREAM, _socket.IPPROTO_TCP)])
def test_only_a_name_waits_for_a_thread(
    host: str, waits: int, how: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    # So that it is as it was afterwards.
    monkeypatch.setattr(Resolver, "getaddrinfo", Resolver.getaddrinfo)
    tuning.look_up_addresses_at_once(waited)
    assert Resolver().getaddrinfo(host, 80, *how) == _socket.getaddrinfo(host, 80, *how)
    assert len(waited) == waits
    assert all(wait >= 0 for wait in waited)


PROTOCOLS = """
from typing import Protocol, runtime_checkable
from perflab.record import tuning
tuning.remember_protocols()

@runtime_checkable
class Items(Protocol):
    def items(self): ...

@runtime_checkable
class Named(Items, Protocol):
    name: str

class Both(dict):
    name = "both"

for _ in range(2):
    assert isinstance({}, Items) and isinstance(Both(), Named)
    assert not isinstance([], Items) and not isinstance({}, Named)
"""


def test_a_value_is_of_a_protocol_or_not_as_before() -> None:
    subprocess.run([sys.executable, "-c", PROTOCOLS], check=True)
