"""Locustfiles that go wrong outside of requests, or whose users don't do what they say: each is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import perflab
from perflab.analyse.sweep import Sweep
from perflab.drive.locust import check_locustfile
from perflab.errors import LocustfileError
from perflab.results.sweep import build, to_junit
from perflab.vocabulary.level import Level

# So long between two requests that a crowded machine, which wakes users up late, keeps little of the load away.
USERS = """
import contextlib, sys, threading
import gevent
from gevent.pool import Pool
from locust.contrib.fasthttp import FastHttpSession
from locust import FastHttpUser, TaskSet, constant, events, task
from locust.exception import StopUser
class U(FastHttpUser):
    wait_time = constant(0.3)
    @task
    def t(self): self.client.get("/health")
"""

RAISING = (
    USERS
    + """
    def on_stop(self): raise LookupError("in on_stop")
class Mute(Exception):
    def __str__(self): raise RuntimeError
def mute(): raise Mute
def collected(*_): raise KeyError("collected")
def collected_later(act):
    greenlet = gevent.spawn(act)
    gevent.sleep(0.1)
    greenlet.get()
def raising(where):
    def listener(**_): raise RuntimeError(f"in {where} with token=hunter2")
    return listener
for name in ("test_start", "spawning_complete", "request", "test_stop", "quitting"):
    getattr(events, name).add_listener(raising(name))
def ending(**_): raise StopUser("in the end")
events.test_stopping.add_listener(ending)
events.test_stop.add_listener(ending)
@events.quit.add_listener
def leave(**_): sys.exit(2)
@events.test_start.add_listener
def start(**_):
    gevent.spawn_later(1, raising("greenlet"))
    threading.Thread(target=raising("thread")).start()
    gevent.spawn(mute)
    gevent.spawn(FastHttpSession.request, None, "GET", "/through perflab")
    Pool().spawn(raising("pool"))
    gevent.get_hub().threadpool.spawn(raising("native"))
    ways = (
        gevent.get_hub().threadpool.apply,
        lambda act: gevent.spawn(act).get(),
        lambda act: Pool().map(act, "ab"),
        lambda act: gevent.joinall([gevent.spawn(act)]),
        collected_later,
    )
    for way in ways:
        with contextlib.suppress(KeyError): way(collected)
"""
)

ODD = (
    USERS.replace("wait_time", 'host = "http://me:hunter2@other:81/"; fixed_count = 3\n    wait_time')
    + """
class Never(U):
    fixed_count = 0
@events.quitting.add_listener
def quitting(environment, **_): environment.process_exit_code = 7
# Locust's own report can't be written.
import json, os
if "PERFLAB_RECORD" in os.environ:
    os.mkdir(json.loads(os.environ["PERFLAB_RECORD"])["run_dir"] + "/locust_report.html")
"""
)


def swept(folder: Path, text: str, target: str, processes: int = 1) -> Sweep:
    (folder / "locustfile.py").write_text(text)
    (folder / "objectives.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        return perflab.sweep(
            target,
            locustfile=folder / "locustfile.py",
            users=2,
            spawn_rate=10,
            duration=2,
            runs_dir=folder / "runs",
            progress="none",
            processes=processes,
            report=False,
        )


@pytest.mark.parametrize("processes", [1, 2])
def test_exceptions_outside_of_requests_and_tasks_are_named(tmp_path: Path, small_target: str, processes: int) -> None:
    sweep = swept(tmp_path, RAISING, small_target, processes=processes)
    [manifest] = sweep.run_manifests
    found = manifest.evidence.exceptions
    for where in (
        *("test_start", "spawning_complete", "request", "test_stop", "greenlet", "thread", "on_stop"),
        *("pool", "native"),
    ):
        assert any(f"in {where}" in text and "locustfile.py, line" in text for text in found), (where, found)
    # No user can be ended there: the test is, as it should, and the process when it has told all.
    assert any(text.startswith("StopUser: in the end (locustfile.py") for text in found)
    assert any(text.startswith("Mute: ") for text in found)
    # perflab's own code, which Locust's clients run through, is none of the locustfile's.
    assert any(text.startswith("AttributeError: ") and ".py, line" not in text for text in found)
    # Whoever has asked for a result has its exception, too.
    assert not any("collected" in text for text in found)
    assert sum(found.values()) > manifest.evidence.requests_recorded > 10
    # It is what Locust says of itself, too.
    assert (manifest.status, manifest.evidence.locust_exit_code) == ("complete", 2)
    assert sweep.verdict == "INVALID"
    assert "RuntimeError: in test_start" in sweep.reasons[0]
    assert not any(b"hunter2" in file.read_bytes() for file in sweep.dir.path.rglob("*") if file.is_file())


def test_a_locustfile_that_says_that_it_failed_is_believed_and_odd_users_are_named(
    tmp_path: Path, small_target: str
) -> None:
    sweep = swept(tmp_path, ODD, small_target)
    [manifest] = sweep.run_manifests
    assert (manifest.status, manifest.evidence.locustfile_exit_code, manifest.evidence.exceptions) == (
        "complete",
        7,
        {},
    )
    assert sweep.verdict == "FAIL"
    assert "the locustfile itself says that it failed (exit code 7)" in sweep.reasons[0]
    document = build(sweep)
    [level] = document.levels.values()
    assert (level.verdict, level.reasons) == ("FAIL", sweep.reasons)
    assert b'failures="1"' in to_junit(document)
    notes = "\n".join(sweep.notes)
    assert "Never http://…@other:81, U http://…@other:81" in notes
    assert "only 2 of the 3 users with a fixed count (U 3) were started" in notes
    assert "no user of Never was started" in notes
    assert "locust_report.html" in notes
    assert not any(b"hunter2" in file.read_bytes() for file in sweep.dir.path.rglob("*") if file.is_file())


FIXED = USERS + "    fixed_count = 2\nclass V(U):\n    fixed_count = 1\n"


@pytest.mark.parametrize(
    ("text", "level", "refused"),
    [
        (FIXED, 3, ""),
        (FIXED, 4, r"at most 3, .*\(U 2, V 1\)"),
        # Those with a weight make up any number; those without are never started.
        (FIXED + "class W(U):\n    fixed_count = 0\n", 1000, ""),
        (FIXED + "class W(U):\n    fixed_count = 0\n    weight = 0\n", 4, "at most 3"),
        (USERS + "    weight = 0\n", 1, "weight 0"),
    ],
)
def test_users_that_can_not_be_reached_are_refused_before_the_run(
    tmp_path: Path, text: str, level: int, refused: str
) -> None:
    (tmp_path / "suite.py").write_text(text)
    with check_locustfile(
        tmp_path / "suite.py", os.environ, tmp_path, [Level.of_users(1), Level.of_users(level)]
    ) as finish:
        if refused:
            with pytest.raises(LocustfileError, match=refused):
                finish()
        else:
            finish()


def test_the_tests_of_pytest_are_users_too(tmp_path: Path, small_target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    locustfile = tmp_path / "test_it.py"
    locustfile.write_text(
        "import time\n"
        "def test_plain(session):\n    session.get('/health', name='plain')\n    time.sleep(0.1)\n"
        "def test_fast(fastsession):\n    fastsession.get('/health', name='fast')\n    time.sleep(0.1)\n"
    )
    sweep = perflab.sweep(
        small_target, locustfile=locustfile, users=2, duration=2, runs_dir=tmp_path / "runs", progress="none"
    )
    [run] = sweep.run_manifests
    assert (run.status, run.evidence.unanswered, run.evidence.exceptions) == ("complete", 0, {})
    assert set(sweep.latency["name"]) == {"plain", "fast"}
    # They end with the window, and not when Locust's patience does.
    assert run.window is not None
    assert sweep.latency["second"].max() <= run.window.end


def test_tasks_may_be_anything_that_can_be_called_in_task_sets_of_any_depth(
    tmp_path: Path, small_target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(
        "import functools\n"
        "from locust import FastHttpUser, TaskSet, constant\n"
        "def ask(user, name='leaf'):\n    user.client.get('/health', name=name)\n"
        "class Asking:\n    def __call__(self, user): ask(user, 'instance')\n"
        "nested = type('Deepest', (TaskSet,), {'tasks': [ask]})\n"
        "for depth in range(20): nested = type(f'T{depth}', (TaskSet,), {'tasks': [nested]})\n"
        "class U(FastHttpUser):\n    wait_time = constant(0.1)\n"
        "    tasks = [functools.partial(ask, name=name) for name in ('a', 'b')] + [Asking()]\n"
        "class V(U):\n    tasks = [nested]\n"
    )
    perflab.sweep(small_target, locustfile=locustfile, users=2, duration=2, runs_dir=tmp_path / "runs", progress="none")
    sweep = perflab.open_sweep(runs_dir=tmp_path / "runs")
    [run] = sweep.run_manifests
    assert (run.status, run.evidence.recorder_faults) == ("complete", 0)
    assert set(sweep.latency["name"]) == {"a", "b", "instance", "leaf"}
    assert run.suite is not None
    assert run.suite["users"]["U"]["tasks"] == {"partial": 2, "Asking": 1}
    assert "T19" in run.suite["users"]["V"]["tasks"]
