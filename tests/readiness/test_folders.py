"""Folders that results go to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from perflab.readiness import machine
from perflab.readiness.finding import Finding
from perflab.readiness.machine import check_folder


def check(folder: Path) -> Finding:
    return check_folder("runs directory", folder, "--runs-dir")


def test_a_folder_that_is_there(tmp_path: Path) -> None:
    finding = check(tmp_path)
    assert finding.result == "ok"
    assert " GB free" in finding.found
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_will_be_made(tmp_path: Path) -> None:
    finding = check(tmp_path / "a" / "b")
    assert finding.result == "ok"
    assert "b', made when it is needed: " in finding.found
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", [".", "a/b"])
def test_a_file_in_the_way(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    finding = check(tmp_path / "file" / below)
    assert (finding.result, finding.found) == ("problem", f"{str(tmp_path / 'file')!r} is not a folder")
    assert finding.advice == "choose another with --runs-dir"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder where even root can't write")
def test_a_folder_where_nothing_can_be_written() -> None:
    finding = check(Path("/proc/self"))
    assert finding.result == "problem"
    assert "can't write in '/proc/self'" in finding.found


def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LOW_MB", 1e12)
    finding = check(tmp_path)
    assert finding.result == "warning"
    assert finding.advice.startswith("make room")
