"""perflab calibrate: one short calibration of this machine, and what it refuses."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

import perflab
import perflab.calibration.calibration
from perflab.calibration.calibration import calibrate
from perflab.cli.app import run_command
from perflab.progress import Style
from perflab.store.layout import RunsDir
from perflab.store.manifest import write_manifest
from tests.calibration.test_file import CALIBRATION


def test_a_short_calibration(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = functools.partial(calibrate, clients=("FastHttpUser",), seconds=4.0)
    monkeypatch.setattr(perflab.calibration.calibration, "calibrate", short)
    assert run_command(["calibrate", "--processes", "1", "--runs-dir", "out", "--json"]) == 0
    out, err = capsys.readouterr()
    [found] = json.loads(out)["ceilings"]
    assert (found["client"], found["processes"]) == ("FastHttpUser", 1)
    assert found["steps"]
    assert found["steps"][0]["drawn_p50_ms"] is None or 20 < found["steps"][0]["drawn_p50_ms"] < 80
    assert json.loads((in_empty_folder / "out" / "calibration.json").read_text()) == json.loads(out)
    assert "</svg>" in (in_empty_folder / "out" / "calibration.svg").read_text()
    assert "[1/1] FastHttpUser, 1 process: " in err
    assert sorted(path.name for path in (in_empty_folder / "out").iterdir()) == ["calibration.json", "calibration.svg"]


def test_the_table(in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(perflab.calibration.calibration, "calibrate", lambda *_, **__: CALIBRATION)
    assert run_command(["calibrate"]) == 0
    out, err = capsys.readouterr()
    [row] = [line.split() for line in out.splitlines() if line.strip().startswith("FastHttpUser  ") and "≥" in line]
    assert row[:3] == ["FastHttpUser", "4", "≥"]
    assert "12 000" in out
    assert err.startswith("chart: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--processes", "0"], "--processes"),
        (["--processes", "two"], "--processes"),
        (["--runs-dir", "pyproject.toml"], "can't write to "),
        (["extra"], "extra"),
    ],
)
def test_bad_input(in_empty_folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    assert run_command(["calibrate", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("perflab: ")
    assert words in err
    assert err.count("\n") == 1
    assert [path.name for path in in_empty_folder.iterdir()] == ["pyproject.toml"]


@pytest.mark.parametrize(("progress", "warns"), [("plain", True), ("none", False)])
def test_a_sweep_beyond_the_ceiling_warns_before_it_starts(
    in_empty_folder: Path, small_locustfile: Path, capsys: pytest.CaptureFixture[str], progress: Style, warns: bool
) -> None:
    write_manifest(RunsDir(in_empty_folder).calibration, CALIBRATION)
    with pytest.raises(perflab.TargetError, match="can't be reached"):
        perflab.sweep(
            "http://127.0.0.1:9",
            locustfile=small_locustfile,
            users=[10, 7000],
            runs_dir=in_empty_folder,
            progress=progress,
            report=False,
        )
    err = capsys.readouterr().err
    assert err.startswith("warning: 7000 users are beyond what FastHttpUser can offer here") if warns else not err
    assert err.count("\n") == warns
