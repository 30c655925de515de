"""Load goes to allowed hosts only, wherever a redirect or a locustfile's URL leads. Real Locust, real servers."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import perflab
from perflab.drive.target import free_port
from perflab.plan.hosts import allowed_hosts, is_loopback, with_allowed

SERVER = [sys.executable, str(Path(__file__).parents[1] / "parts" / "odd_server.py")]

# Linux takes 0.0.0.0 for this machine, and perflab does not.
LOCUSTFILE = """
import os
from locust import FastHttpUser, HttpUser, constant, task
from requests import RequestException

ALLOWED, FOREIGN = (f"http://0.0.0.0:{os.environ[name]}/plain" for name in ("ALLOWED_PORT", "FOREIGN_PORT"))

def asking(user):
    who = type(user).__name__
    for name, url in (("allowed", ALLOWED), ("foreign", FOREIGN)):
        user.client.get(url, name=f"{who} {name}")
        user.client.get("/redirect?" + url, name=f"{who} redirect to {name}")

class Plain(HttpUser):
    wait_time = constant(0.3)

    @task
    def ask(self):
        asking(self)
        for url in ("mailto:somebody", "http://foreign.invalid:99999/"):
            try:
                self.client.get("/redirect?" + url)
            except RequestException as error:
                # As without perflab: Locust counts no request that can't be one.
                what = {"name": type(error).__name__, "response_time": 1, "response_length": 0, "exception": None}
                self.environment.events.request.fire(request_type="odd", **what)

class Fast(FastHttpUser):
    wait_time = constant(0.3)
    tasks = [asking]
"""


def test_requests_go_to_no_host_that_is_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    with contextlib.ExitStack() as stack:
        foreign = stack.enter_context(socket.create_server(("0.0.0.0", 0)))
        foreign.setblocking(False)
        allowed = free_port()
        monkeypatch.setenv("ALLOWED_PORT", str(allowed))
        monkeypatch.setenv("FOREIGN_PORT", str(foreign.getsockname()[1]))
        server = stack.enter_context(subprocess.Popen([*SERVER, str(allowed)]))
        stack.callback(server.kill)
        wait_for(allowed)
        sweep = perflab.sweep(
            shlex.join(SERVER) + " {port}",
            locustfile=tmp_path / "locustfile.py",
            users=4,
            spawn_rate=20,
            duration=2,
            runs_dir=tmp_path / "runs",
            allow_hosts=[f"0.0.0.0:{allowed}"],
            progress="none",
            report=False,
        )
        with pytest.raises(BlockingIOError):
            foreign.accept()
    requests = sweep.latency[sweep.latency["measure"] == "client"].groupby("name", observed=True)["outcome"].unique()
    assert {name: set(outcomes) for name, outcomes in requests.items()} == {
        f"{who} {way}{host}": {outcome}
        for who in ("Plain", "Fast")
        for way in ("", "redirect to ")
        for host, outcome in (("allowed", "ok"), ("foreign", "not_allowed"))
    } | {
        "InvalidSchema": {"ok"},
        "InvalidURL": {"ok"},
    }
    # What went there is no figure of the target's, under whatever name.
    asked = sweep.latency[(sweep.latency["measure"] == "client") & (sweep.latency["outcome"] == "ok")]
    asked = asked[asked["name"].astype("str").str.endswith("allowed")]
    [(address, count)] = sweep.run_manifests[0].evidence.other_hosts.items()
    assert address == f"0.0.0.0:{allowed}"
    assert asked["count"].sum() <= count <= asked["count"].sum() + 4
    assert any(address in note and f"{count} requests" in note for note in sweep.notes)
    [note] = [note for note in sweep.notes if "requests were not made" in note]
    assert "--allow-host 0.0.0.0" in note
    assert sweep.run_manifests[0].evidence.exceptions == {}
    assert sweep.run_manifests[0].evidence.task_exceptions == 0


# A user that makes one such request after the other, as those of pytest's tests do, must not stop all others.
OTHERS = """
from locust.env import Environment
from perflab.record.clients import AllowedHosts, NotAllowedError
import gevent
others = gevent.spawn(print, "had a turn", flush=True)
try:
    AllowedHosts(Environment(host="http://localhost"), by_hand=False).check("foreign.example", None)
except NotAllowedError:
    assert others.ready()
"""


def test_a_request_that_is_not_made_lets_the_others_have_their_turn() -> None:
    # In a process of its own, because Locust changes the standard library.
    assert subprocess.check_output([sys.executable, "-c", OTHERS], text=True) == "had a turn\n"


MOVING = """
import os
from locust import FastHttpUser, constant, events, task

@events.test_start.add_listener
def move(environment, **_):
    environment.host = f"http://0.0.0.0:{os.environ['FOREIGN_PORT']}"

class U(FastHttpUser):
    wait_time = constant(0.1)
    @task
    def t(self):
        self.client.get("/")
"""


def test_a_locustfile_that_moves_the_target_moves_no_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_target: str
) -> None:
    (tmp_path / "locustfile.py").write_text(MOVING)
    with socket.create_server(("0.0.0.0", 0)) as foreign:
        foreign.setblocking(False)
        monkeypatch.setenv("FOREIGN_PORT", str(foreign.getsockname()[1]))
        sweep = perflab.sweep(
            small_target,
            locustfile=tmp_path / "locustfile.py",
            users=2,
            spawn_rate=20,
            duration=1,
            runs_dir=tmp_path / "runs",
            progress="none",
        )
        with pytest.raises(BlockingIOError):
            foreign.accept()
    assert set(sweep.latency["outcome"]) == {"not_allowed"}
    # Had it been allowed, the verdict would have been of another host than the one that is named.
    assert sweep.verdict == "INVALID"
    assert "http://0.0.0.0:" in str(sweep.run_manifests[0].evidence.error)


ELSEWHERE = """
import os
from locust import FastHttpUser, HttpUser, constant, task

class Moved(HttpUser):
    wait_time = constant(0.3)
    def __init__(self, *args):
        self.host = f"http://127.0.0.1:{os.environ['OTHER_PORT']}"
        super().__init__(*args)
    @task
    def t(self): self.client.get("/plain")

class Fast(Moved, FastHttpUser):
    pass

class Stays(FastHttpUser):
    wait_time = constant(0.3)
    @task
    def t(self): self.client.get("/plain")
"""


@pytest.mark.parametrize(("classes", "moved"), [("Moved Fast", True), ("Moved Stays", False)])
def test_users_that_all_go_elsewhere_say_nothing_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: str, moved: bool
) -> None:
    (tmp_path / "locustfile.py").write_text(ELSEWHERE)
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    other = free_port()
    monkeypatch.setenv("OTHER_PORT", str(other))
    with subprocess.Popen([*SERVER, str(other)]) as server:
        wait_for(other)
        sweep = perflab.sweep(
            shlex.join(SERVER) + " {port}",
            locustfile=tmp_path / "locustfile.py",
            locust_options=classes,
            users=4,
            spawn_rate=20,
            duration=2,
            runs_dir=tmp_path / "runs",
            progress="none",
            report=False,
        )
        server.kill()
    evidence = sweep.run_manifests[0].evidence
    assert list(evidence.other_hosts) == [f"localhost:{other}"]
    assert bool(evidence.asked_target) != moved
    assert any(f"localhost:{other}" in reason for reason in sweep.reasons) == moved
    if moved:
        assert sweep.verdict == "INVALID"


def wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["127.0.0.2", "::1", "localhost"])
def test_this_machine_is_known_by_its_name_alone(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["0.0.0.0", "localhost.example.com", "127.1", "::", ""])
def test_nothing_else_is(name: str) -> None:
    assert not is_loopback(name)


def test_hosts_of_the_command_line_come_on_top() -> None:
    before = {"LOAD_TEST_ALLOWED_HOSTS": "One, two:80,"}
    assert allowed_hosts(with_allowed(before, ["THREE"])) == {"one", "two:80", "three"}
    assert with_allowed({}, []) == {}


ORIGINS = """
import sys
import gevent.monkey
gevent.monkey.patch_all()
import json, os
import requests
from types import SimpleNamespace
from geventhttpclient.url import URL
from locust.clients import HttpSession
from locust.contrib.fasthttp import LocustUserAgent
from locust.env import Environment
from perflab.record.clients import AllowedHosts, NotAllowedError

kind, target, allowed, *urls = sys.argv[1:]
os.environ["LOAD_TEST_ALLOWED_HOSTS"] = allowed
HttpSession.send = lambda session, request, **how: None
LocustUserAgent._urlopen = lambda agent, request: None
hosts = AllowedHosts(Environment(host=target), by_hand=kind.endswith("by hand"))
hosts.install()
refused = []
for url in urls:
    try:
        if kind.startswith("plain"):
            HttpSession.send(None, SimpleNamespace(url=url))
        else:
            LocustUserAgent._urlopen(None, SimpleNamespace(url_split=URL(url)))
    except NotAllowedError:
        refused.append(url)
print(json.dumps([refused, hosts.other_hosts]))
"""


@pytest.mark.parametrize("kind", ["plain", "fast", "plain by hand", "fast by hand"])
@pytest.mark.parametrize(
    ("target", "allowed", "urls", "refused", "others"),
    [
        # A port that is allowed allows no other, whatever was asked before.
        (
            "http://svc",
            "svc:80,other:80",
            ["http://other/a", "https://other/a", "http://other:80/"],
            [1],
            {"other:80": 2},
        ),
        ("http://svc", "svc,other", ["http://svc/a", "https://svc/a", "https://svc/b"], [], {"svc:443": 2}),
        ("https://svc", "svc,other", ["https://svc:443/a", "http://svc/a"], [], {"svc:80": 1}),
        # The names of this machine are one.
        (
            "http://127.0.0.1:81",
            "",
            ["http://localhost:81/", "http://[::1]:81/", "http://LOCALHOST:82"],
            [],
            {"localhost:82": 1},
        ),
        ("http://svc", "svc,other", [f"http://u{number}:p@other/" for number in range(3)], [], {"other:80": 3}),
    ],
)
def test_addresses_are_told_apart_by_host_and_port(
    kind: str, target: str, allowed: str, urls: list[str], refused: list[int], others: dict[str, int]
) -> None:
    # In a process of its own, because Locust changes the standard library.
    output = subprocess.check_output([sys.executable, "-c", ORIGINS, kind, target, allowed, *urls], text=True)
    assert json.loads(output) == [[urls[at] for at in refused], others]
