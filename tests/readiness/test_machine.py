"""What the machine has for the users."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perflab.plan.plan import Plan
from perflab.readiness.machine import (
    LOCUST_FILES,
    PROCESS_MB,
    USER_MB,
    check_cores,
    check_memory,
    check_versions,
    check_wire_clock,
    free_memory_mb,
)
from perflab.store.layout import RunsDir
from perflab.store.manifest import write_manifest
from tests.calibration.test_file import CALIBRATION

HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
needs_files = pytest.mark.skipif(0 <= HARD < LOCUST_FILES, reason="the hard limit of open files is too low here")


def with_limits(soft: int, hard: int, code: str) -> str:
    """What `code` prints in a process with these limits of open files."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n{code}"
    return subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=True).stdout


def open_files(soft: int, hard: int, users: int, processes: int = 1, *, launched: bool = False) -> dict[str, Any]:
    code = (
        "import dataclasses, json; from perflab.readiness.machine import check_open_files\n"
        f"finding = check_open_files({users}, {processes}, launched={launched})\n"
        "print(json.dumps(dataclasses.asdict(finding)))"
    )
    found: dict[str, Any] = json.loads(with_limits(soft, hard, code))
    return found


def test_too_few_open_files() -> None:
    found = open_files(256, 1024, 1000)
    assert found["result"] == "problem"
    assert found["found"] == "limit 256 (hard limit 1024); 1000 users need about 1100"
    assert "ulimit -n 1100 (the hard limit must be raised first" in found["advice"]


def test_the_hard_limit_is_high_enough_to_raise_the_other() -> None:
    found = open_files(256, 2048, 1000)
    assert found["result"] == "problem"
    assert found["advice"] == "before the load test, in the same shell: ulimit -n 1100"


def test_several_processes_share_the_users() -> None:
    assert open_files(600, 600, 1000, 2)["result"] == "ok"
    assert open_files(600, 600, 1002, 2)["result"] == "problem"


def test_just_enough_open_files() -> None:
    assert open_files(1100, 1100, 1000)["result"] == "ok"
    assert open_files(1099, 1099, 1000)["result"] == "problem"


@needs_files
def test_locust_raises_its_own_limit_but_not_the_targets() -> None:
    found = open_files(256, LOCUST_FILES, 1000)
    assert found["result"] == "ok"
    assert "which Locust raises to 10000" in found["found"]
    found = open_files(256, LOCUST_FILES, 1000, launched=True)
    assert found["result"] == "warning"
    assert "the target that is started here gets 256" in found["found"]
    assert open_files(256, LOCUST_FILES - 1, 1000)["result"] == "problem"


@needs_files
def test_that_is_what_locust_does(tmp_path: Path) -> None:
    locustfile = tmp_path / "limits.py"
    locustfile.write_text(
        "import resource\nfrom locust import User, events, task\n"
        "class U(User):\n    @task\n    def t(self): self.environment.runner.quit()\n"
        "@events.init.add_listener\n"
        "def on_init(**_): print('LIMIT', resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)\n"
    )
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['locust', '-f', {str(locustfile)!r}, '--headless', '-u', '1', '-t', '1s', '-H', 'http://localhost']\n"
        "runpy.run_module('locust', run_name='__main__')"
    )
    assert f"LIMIT {LOCUST_FILES}\n" in with_limits(256, LOCUST_FILES, code)
    assert "LIMIT 256\n" in with_limits(256, LOCUST_FILES - 1, code)


def test_memory_for_the_users() -> None:
    needed = PROCESS_MB + 1000 * USER_MB["http"]
    assert check_memory(1000, 1, "http", free_mb=needed / 0.69).result == "ok"
    assert check_memory(1000, 1, "http", free_mb=needed / 0.71).result == "warning"
    finding = check_memory(1000, 1, "http", free_mb=needed - 1)
    assert finding.result == "problem"
    assert "free -h" in finding.advice
    # TLS takes twenty times as much, and each process its own.
    assert check_memory(1000, 1, "https", free_mb=1000).result == "problem"
    assert check_memory(1000, 1, "http", free_mb=400).result == "ok"
    assert check_memory(1000, 4, "http", free_mb=400).result == "problem"
    assert "24.3 GB free; 1000 users take about 0.18 GB" in check_memory(1000, 1, "http", free_mb=24_300).found


def test_a_container_has_no_more_than_its_limit(tmp_path: Path) -> None:
    whole = free_memory_mb(tmp_path)
    assert whole > 10
    for name, text in (("memory.max", "9000000\n"), ("memory.current", "4000000\n")):
        (tmp_path / name).write_text(text)
    assert free_memory_mb(tmp_path) == 5.0
    (tmp_path / "memory.current").write_text("9500000\n")
    assert free_memory_mb(tmp_path) == 0.0
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory_mb(tmp_path) > 10


def plan(users: int) -> Plan:
    return Plan(host="http://localhost", locustfile=Path("f.py"), users=(1, users))


def test_cores_without_a_calibration(tmp_path: Path) -> None:
    finding = check_cores(plan(10), tmp_path)
    assert finding.result == "ok"
    assert "not calibrated" in finding.found
    assert "perflab calibrate" in finding.advice


def test_cores_with_a_calibration(tmp_path: Path) -> None:
    write_manifest(RunsDir(tmp_path).calibration, CALIBRATION)
    assert "calibrated: 10 users are within" in check_cores(plan(10), tmp_path).found
    finding = check_cores(plan(1_000_000), tmp_path)
    assert finding.result == "warning"
    assert "; 1000000 users are " in finding.found
    RunsDir(tmp_path).calibration.write_text("{")
    assert "run perflab calibrate again" in check_cores(plan(10), tmp_path).found


def test_versions() -> None:
    assert check_versions().found.startswith("Python 3.")
    assert "locust 2." in check_versions().found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has receive times")
def test_the_kernel_gives_receive_times() -> None:
    assert check_wire_clock().result == "ok"


def test_other_systems_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    finding = check_wire_clock()
    assert finding.result == "warning"
    assert "client clock" in finding.advice


def test_nothing_heavy_comes_with_the_doctor() -> None:
    code = "import sys, perflab.readiness.examination; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"locust", "gevent", "pandas", "numpy", "asyncpg", "rich", "typer"} & set(loaded)
