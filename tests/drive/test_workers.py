"""Workers that somebody starts by hand, and plain Locust that Prometheus watches."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import perflab
from perflab.analyse.sweep import Sweep
from perflab.drive.events import Event, Progress
from perflab.drive.sweep import run_sweep
from perflab.drive.target import free_port
from perflab.plan.objectives import Objectives
from perflab.plan.plan import make_plan
from perflab.plan.settings import load_environment
from tests.whole import losses

ROOT = Path(__file__).parents[2]
LOCUST = [sys.executable, "-m", "locust", "-f", "load_tests/locustfile.py"]
API = f"{shlex.quote(sys.executable)} -m load_tests.platform_api --hash-cost 4 --port {{port}}"


@contextlib.contextmanager
def started(commands: list[list[str]], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run commands at the repository's root; what still runs at the end is killed."""
    with log.open("wb") as output, contextlib.ExitStack() as children:
        processes = []
        for command in commands:
            child = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
            processes.append(children.enter_context(child))
            children.callback(child.kill)
        yield processes


def workers(number: int, port: int) -> list[list[str]]:
    """As in the specification, but for the port."""
    return [[*LOCUST, "--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]] * number


def test_a_run_takes_what_workers_started_by_hand_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    monkeypatch.setenv("LOAD_TEST_WAIT_MIN", "0.1")
    monkeypatch.setenv("LOAD_TEST_WAIT_MAX", "0.2")
    monkeypatch.chdir(ROOT)
    port = free_port()
    with started(workers(4, port), tmp_path / "workers.log") as processes:
        sweep = perflab.sweep(
            launch=API,
            users=12,
            spawn_rate=20,
            duration=4,
            expect_workers=4,
            master_bind=f"127.0.0.1:{port}",
            runs_dir=tmp_path / "runs",
            progress="none",
            report=False,
        )
        # The master sends them home when its run is over.
        assert [process.wait(20) for process in processes] == [0] * 4, (tmp_path / "workers.log").read_text()
    assert (len(sweep.runs), losses(sweep)) == (1, [])
    evidence = sweep.run_manifests[0].evidence
    assert sorted(evidence.sources) == [f"worker-{number}" for number in range(4)]
    assert all(source.requests_recorded == source.requests_finished > 0 for source in evidence.sources.values())
    assert sorted(source.pid for source in evidence.sources.values()) == sorted(p.pid for p in processes)
    assert evidence.without_wire_time == 0
    users = sweep.generator[sweep.generator["steady"]].groupby(["second"])["users"].sum()
    assert set(users) == {12}


def test_a_worker_that_goes_in_the_middle_is_missed_though_it_goes_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    monkeypatch.setenv("LOAD_TEST_WAIT_MIN", "0.1")
    monkeypatch.setenv("LOAD_TEST_WAIT_MAX", "0.2")
    monkeypatch.chdir(ROOT)
    port, runs_dir = free_port(), tmp_path / "runs"
    environment = load_environment(ROOT)
    plan = make_plan(
        environment=environment,
        root=ROOT,
        launch=API,
        users=(6,),
        spawn_rate=20,
        # On a busy machine the worker takes many seconds to go.
        duration=18,
        expect_workers=2,
        master_bind=f"127.0.0.1:{port}",
    )
    with started(workers(2, port), tmp_path / "workers.log") as (first, second):

        def listen(event: Event) -> None:
            if isinstance(event, Progress) and event.phase == "steady" and first.poll() is None:
                first.send_signal(signal.SIGINT)

        done = run_sweep(plan, Objectives(), runs_dir=runs_dir, environment=environment, root=ROOT, listen=listen)
        assert second.wait(20) == 0
    sweep = Sweep.open(done)
    evidence = sweep.run_manifests[0].evidence
    # Its users run again at the other one, and every request that was made is in the tables.
    assert evidence.users_reached == 6
    assert evidence.requests_recorded == (evidence.requests_finished or 0) + evidence.unanswered
    assert [source.lost for source in evidence.sources.values()].count(True) == 1, evidence.sources
    assert sweep.verdict == "INVALID"
    assert any(f"(process {first.pid}) was lost" in reason for reason in sweep.reasons)


def test_a_run_without_its_workers_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perflab.drive.locust.WORKERS_WAIT_S", 2)
    monkeypatch.chdir(ROOT)
    port = free_port()
    with started(workers(1, port), tmp_path / "workers.log"):
        sweep = perflab.sweep(
            launch=API,
            users=12,
            duration=4,
            expect_workers=2,
            master_bind=f"127.0.0.1:{port}",
            runs_dir=tmp_path / "runs",
            progress="none",
            report=False,
        )
    assert sweep.verdict == "INVALID"
    assert f"fewer than 2 workers connected to 127.0.0.1:{port} within 120 s" in sweep.reasons[0]


def test_workers_cannot_be_both_started_and_expected(tmp_path: Path) -> None:
    with pytest.raises(perflab.UsageError, match="--expect-workers 2 and --processes 3"):
        perflab.sweep("http://127.0.0.1:1", expect_workers=2, processes=3, runs_dir=tmp_path)


@pytest.mark.parametrize("bind", ["5557", "127.0.0.1:", ":5557", "127.0.0.1:0", "127.0.0.1:70000", "h:1x"])
def test_where_a_master_listens_is_checked(tmp_path: Path, bind: str) -> None:
    with pytest.raises(perflab.UsageError, match=f"--master-bind: '{bind}' is not HOST:PORT"):
        perflab.sweep("http://127.0.0.1:1", expect_workers=2, master_bind=bind, runs_dir=tmp_path)


@pytest.mark.parametrize("number", [0, 2])
def test_prometheus_watches_plain_locust_alone_and_as_a_master(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_target: str, number: int
) -> None:
    target, exporter, port = free_port(), free_port(), free_port()
    monkeypatch.setenv("LOAD_TEST_WAIT_MIN", "0.1")
    monkeypatch.setenv("LOAD_TEST_WAIT_MAX", "0.2")
    host = f"http://127.0.0.1:{target}"
    run = ["-H", host, "--headless", "-u", "6", "-r", "6", "-t", "60s", "--stop-timeout", "2"]
    master = ["--master", "--expect-workers", str(number), "--master-bind-host", "127.0.0.1", "--master-bind-port"]
    command = [*LOCUST, *run, *([*master, str(port)] if number else [])]
    api = shlex.split(API.replace("{port}", str(target)))
    with started([api], tmp_path / "api.log"):
        wait_for(f"{host}/health")
        with monkeypatch.context() as patch:
            patch.setenv("LOAD_TEST_PROMETHEUS_PORT", str(exporter))
            leader = started([command], tmp_path / "leader.log")
            [process] = leader.__enter__()
        with started(workers(number, port), tmp_path / "workers.log"):
            page = f"http://127.0.0.1:{exporter}/metrics"
            deadline = time.monotonic() + 40
            while time.monotonic() < deadline:
                found = [s for family in text_string_to_metric_families(wait_for(page)) for s in family.samples]
                created = {
                    sample.labels["user_class"]: sample.value
                    for sample in found
                    if sample.name == "load_test_requests_total" and sample.labels["name"].endswith("/create")
                }
                if created.get("GenerationUser", 0) > 20:
                    break
                time.sleep(0.2)
            assert created["GenerationUser"] > 20, (tmp_path / "leader.log").read_text()
            assert created.keys() <= {"GenerationUser", "PaymentUser"}
            sources = {sample.labels["source"] for sample in found if sample.name == "load_test_users"}
            assert sources == ({"worker-0", "worker-1"} if number else {"local"})
            process.terminate()
            # It waits for a last visit of whoever has watched it.
            deadline = time.monotonic() + 20
            while process.poll() is None:
                assert time.monotonic() < deadline
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(page, timeout=1).close()
                time.sleep(0.1)
        leader.__exit__(None, None, None)
    assert "Traceback" not in (tmp_path / "leader.log").read_text()


def wait_for(url: str) -> str:
    """Return what a page answers once somebody answers."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, f"{url} never answered"
            time.sleep(0.1)
