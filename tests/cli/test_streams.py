"""Places to print to that are odd: closed, a pipe nobody reads, or without the characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.progress import show_progress
from perflab.progress.plain import PlainProgress

PERFLAB = (sys.executable, "-m", "perflab")


@pytest.fixture
def runs(in_empty_folder: Path) -> Path:
    write_recorded_sweep(in_empty_folder / "runs", Load(users=(2,), seconds=3))
    return in_empty_folder / "runs"


@pytest.mark.parametrize("command", [("list",), ("list", "--json"), ("show",), ("show", "--json")])
def test_a_reader_that_has_gone_is_no_verdict(runs: Path, command: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PERFLAB, *command, "--runs-dir", str(runs)], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_stdout(runs: Path) -> None:
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *PERFLAB, "show"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_under_stdout_is_named(runs: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PERFLAB, "show"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'standard output'" in done.stderr


def test_what_nobody_can_read_on_stderr_changes_no_exit_code(runs: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with Path("/dev/full").open("w") as full:
        for stream in (full, write):
            refused = subprocess.run([*PERFLAB, "show", "nope"], stderr=stream, check=False)
            assert refused.returncode == 2
            shown = subprocess.run([*PERFLAB, "show"], stderr=stream, stdout=subprocess.PIPE, check=False)
            assert shown.returncode == 0
    os.close(write)


def test_a_terminal_with_few_characters(runs: Path) -> None:
    done = subprocess.run(
        [*PERFLAB, "show"], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=True
    )
    assert b"? 200 ms" in done.stdout


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    keyboard, screen = os.openpty()
    with os.fdopen(screen, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with show_progress() as listen:
            assert isinstance(listen, PlainProgress)
        monkeypatch.undo()
    os.close(keyboard)
