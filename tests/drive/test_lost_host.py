"""A target that perflab did not start: it is killed, it hangs, or it answers nothing but errors."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from perflab.analyse.sweep import Sweep
from perflab.drive.events import Event, Progress
from perflab.drive.sweep import run_sweep
from perflab.drive.target import Target, free_port
from perflab.plan.objectives import DEFAULT, Objectives, choose_objectives
from perflab.plan.plan import make_plan
from perflab.plan.settings import load_environment

# So long between two requests that a crowded machine, which wakes users up late, keeps little of the load away.
ASKING = """
from locust import FastHttpUser, HttpUser, constant, task
class Fast(FastHttpUser):
    wait_time = constant(0.3)
    @task
    def t(self): self.client.get("/health")
class Plain(HttpUser):
    wait_time = constant(0.3)
    @task
    def t(self): self.client.get("/health")
"""


@dataclass(frozen=True, slots=True)
class Server:
    process: subprocess.Popen[bytes]
    host: str


@pytest.fixture
def server(small_target: str) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(shlex.split(small_target.replace("{port}", str(port))))
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        time.sleep(0.05)
    yield Server(process, f"http://127.0.0.1:{port}")
    process.kill()
    process.wait()


def swept(folder: Path, server: Server, text: str, ending: signal.Signals | None, duration: float) -> Sweep:
    """Sweep two levels; the server gets a signal in the first one's steady window."""
    (folder / "locustfile.py").write_text(text)

    def listen(event: Event) -> None:
        if ending is not None and isinstance(event, Progress) and event.phase == "steady":
            server.process.send_signal(ending)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        patch.setenv("LOAD_TEST_TIMEOUT", "1")
        environment = load_environment(folder)
        plan = make_plan(
            environment=environment,
            root=folder,
            host=server.host,
            locustfile=folder / "locustfile.py",
            users=(4, 6),
            spawn_rate=20,
            duration=duration,
        )
        objectives = choose_objectives(None, plan.locustfile, environment)
        runs = folder / "runs"
        return Sweep.open(
            run_sweep(plan, objectives, runs_dir=runs, environment=environment, root=folder, listen=listen)
        )


@pytest.mark.parametrize(("ending", "outcome"), [(signal.SIGKILL, "refused"), (signal.SIGSTOP, "unanswered")])
def test_a_host_that_answers_nothing_any_more_is_lost(
    tmp_path: Path, server: Server, ending: signal.Signals, outcome: str
) -> None:
    sweep = swept(tmp_path, server, ASKING, ending, 7)
    assert sweep.verdict == "INVALID"
    assert "the target was lost" in sweep.reasons[0]
    assert outcome in sweep.reasons[0]
    # What comes after it would be measured against nothing.
    assert sweep.manifest.status == "failed"
    assert [run.level for run in sweep.run_manifests] == ["4 users"]
    assert sweep.run_manifests[0].evidence.target_lost
    # The figures alone say so, too: a sweep that was recorded by an older perflab.
    file = sweep.dir.runs()[0].manifest
    fields = json.loads(file.read_text())
    fields["evidence"]["target_lost"] = False
    file.write_text(json.dumps(fields))
    again = Sweep.open(sweep.dir)
    assert (again.verdict, again.reasons) == (sweep.verdict, sweep.reasons)
    assert again.runs["validity"].tolist() == ["invalid"]


def test_a_host_that_only_answers_errors_has_failed_and_is_not_lost(tmp_path: Path, server: Server) -> None:
    # A few failures are enough, so there is time for users to be woken up late.
    asking = ASKING.replace("/health", "/broken").replace("constant(0.3)", "constant(1.5)")
    sweep = swept(tmp_path, server, asking, None, 3)
    assert sweep.manifest.status == "complete"
    assert not any(run.evidence.target_lost for run in sweep.run_manifests)
    assert [run.level for run in sweep.run_manifests] == ["4 users", "6 users"]
    assert sweep.manifest.objectives == DEFAULT
    assert sweep.verdict == "FAIL", sweep.reasons
    assert sweep.verdicts["objective"].tolist() == ["success_rate"] * 2
    assert "default" in sweep.headline
    assert any("the default is judged" in note for note in sweep.notes)


def test_an_empty_file_switches_the_default_off(tmp_path: Path) -> None:
    (tmp_path / "objectives.toml").write_text("# none\n")
    assert choose_objectives(None, tmp_path / "locustfile.py", {}) == Objectives()


def test_a_host_is_lost_when_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Target(f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert not target.lost
    assert target.lost
