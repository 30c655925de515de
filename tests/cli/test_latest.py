"""What ``latest`` means: the newest sweep to look at, the latest complete one to compare with."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from perflab.cli.app import run_command
from perflab.store.layout import SweepDir, create_sweep
from perflab.store.manifest import read_baseline
from perflab.vocabulary.level import Level
from tests.cli.conftest import Recorded


def interrupt(recorded: Recorded, sweep_id: str) -> SweepDir:
    """Make a later sweep of a recorded one that was interrupted in its only run, as Ctrl-C leaves it."""
    later = create_sweep(recorded.runs_dir, "cut", datetime(2030, 1, 1, tzinfo=UTC))
    for file in recorded.dir(sweep_id).path.rglob("*"):
        copy = later.path / file.relative_to(recorded.dir(sweep_id).path)
        if file.is_dir():
            copy.mkdir()
        elif file.name in ("sweep.json", "run.json"):
            fields = json.loads(file.read_text()) | {"status": "interrupted"}
            copy.write_text(json.dumps(fields | ({"id": later.id} if file.name == "sweep.json" else {})))
        else:
            copy.write_bytes(file.read_bytes())
    return later


def test_an_interrupted_sweep_is_no_baseline(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    later = interrupt(recorded, recorded.base)
    assert run_command(["baseline", "set", later.id]) == 2
    assert later.id in capsys.readouterr().err
    # A run of it was measured to its end, the sweep was not.
    run = later.run(Level.of_users(100), 1).manifest
    run.write_text(run.read_text().replace('"interrupted"', '"complete"'))
    assert run_command(["baseline", "set", later.id]) == 2
    assert "was not run to its end" in capsys.readouterr().err
    assert run_command(["baseline", "set", "latest"]) == 0
    assert read_baseline(recorded.runs_dir) == recorded.slow


def test_an_invalid_sweep_is_no_baseline(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded.dir(recorded.single).run(Level.of_users(100), 1).manifest
    run.write_text(run.read_text().replace('"users_reached": 100', '"users_reached": 7'))
    assert run_command(["baseline", "set", recorded.single]) == 2
    err = capsys.readouterr().err
    assert "only 7 of 100 users were running" in err
    assert err.count("\n") == 1
    assert not (recorded.runs_dir / "baseline.json").exists()


def test_a_comparison_is_with_the_latest_complete_one(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    # Of those that were made in the same second it is the last by name.
    later, newest = interrupt(recorded, recorded.base), recorded.slow
    for arguments in (["compare", recorded.base], ["compare", recorded.base, "latest"]):
        run_command([*arguments, "--json", "--no-report"])
        assert json.loads(capsys.readouterr().out)["candidate"]["sweep_id"] == newest
    run_command(["check", recorded.base, "--against", "latest", "--json"])
    assert json.loads(capsys.readouterr().out)["comparison"]["baseline"]["sweep_id"] == newest
    # To look at, and for a gate, it is the newest one: an older PASS must not hide what became of it.
    assert run_command(["show", "latest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["sweep_id"] == later.id
    assert run_command(["check", "latest"]) == 3


def test_where_none_is_complete_it_is_said(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    for path in recorded.runs_dir.glob("*/sweep.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    assert run_command(["baseline", "set", "latest"]) == 2
    assert "latest complete one" in capsys.readouterr().err
