"""However a sweep is ended, what was recorded is kept and no process survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

ROOT = Path(__file__).parents[2]
MARK = "PERFLAB_TEST_MARK"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user can reach, which pytest's is not."""
    with tempfile.TemporaryDirectory(prefix="perflab-interrupt-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def family(mark: str, folder: Path) -> list[psutil.Process]:
    """All processes that carry the mark in their environment or work in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if str(folder) in " ".join(process.cmdline()) or process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGKILL, -9)]
)
def test_a_sweep_that_is_ended_in_the_middle(folder: Path, sent: signal.Signals, code: int) -> None:
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "perflab", "sweep", "--users", "40,50", "--spawn-rate", "40", "--duration", "60s"]
    sweep = subprocess.Popen(
        [*command, "--launch", "python -m load_tests.platform_api --port {port}", "--runs-dir", str(folder / "runs")],
        env={**os.environ, MARK: mark, "TMPDIR": str(folder)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def latency() -> list[Path]:
        return list(folder.glob("runs/*/users-0040-r1/latency.csv"))

    wait_for(lambda: bool(latency()) and len(latency()[0].read_bytes()) > 3000, 60, "nothing was recorded")
    names = {process.name() for process in family(mark, folder)}
    assert any("postgres" in name for name in names), names
    assert len(family(mark, folder)) > 5
    sweep.send_signal(sent)
    _, said = sweep.communicate(timeout=30)
    assert sweep.returncode == code, said
    # Nobody is left to wait for after a kill: then the guards need a moment.
    wait_for(lambda: not family(mark, folder), 5 if sent == signal.SIGKILL else 0.5, "a process survived")
    if sent != signal.SIGKILL:
        assert said.splitlines()[-1].startswith("perflab: interrupted")
        assert "Traceback" not in said
    [run] = list(folder.glob("runs/*/users-*"))
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert json.loads((run.parent / "sweep.json").read_text())["status"] == "interrupted"
    kept = pd.read_csv(run / "latency.csv", on_bad_lines="error")
    assert kept["count"].sum() > 30
    # What is there can still be shown, and is no PASS.
    shown = subprocess.run(
        [sys.executable, "-m", "perflab", "show", "--json", "--runs-dir", str(folder / "runs")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(shown.stdout)["verdict"] == "INVALID"
    # The next command has cleared what a kill leaves.
    assert not [path for path in folder.rglob("*") if path.name.startswith((".recorder", ".perflab"))]


def test_a_run_under_nohup_outlives_its_terminal(folder: Path, small_target: str, small_locustfile: Path) -> None:
    command = ["nohup", sys.executable, "-m", "perflab", "run", "--users", "2", "--duration", "2s", "--no-report"]
    run = subprocess.Popen(
        [*command, "--launch", small_target, "-f", str(small_locustfile), "--runs-dir", str(folder / "runs")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: bool(list(folder.glob("runs/*/users-0002-r1/latency.csv"))), 60, "no run was begun")
    run.send_signal(signal.SIGHUP)
    assert run.wait(60) in {0, 4}


def test_a_second_ctrl_c_does_not_cut_off_the_clearing_up(
    folder: Path, small_target: str, small_locustfile: Path
) -> None:
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "perflab", "sweep", "--launch", small_target, "-f", str(small_locustfile)]
    sweep = subprocess.Popen(
        [*command, "--users", "5", "--runs-dir", str(folder / "runs")],
        env={**os.environ, MARK: mark},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )

    def answers() -> list[Path]:
        return list(folder.glob("runs/*/users-0005-r1/.recorder.json"))

    wait_for(lambda: bool(answers()) and '"window_end": null' not in answers()[0].read_text(), 60, "no start")
    for _ in range(4):
        sweep.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, said = sweep.communicate(timeout=30)
    assert (sweep.returncode, "Traceback" in said) == (130, False), said
    wait_for(lambda: not family(mark, folder), 0.5, "a process survived")
    [run] = list(folder.glob("runs/*/users-*"))
    assert json.loads((run / "run.json").read_text())["evidence"]["users_reached"] == 5
    assert not list(run.glob(".*"))
