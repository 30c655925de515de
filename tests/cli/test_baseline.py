from __future__ import annotations

import shutil

import pytest

from perflab.cli.app import run_command
from perflab.vocabulary.level import Level
from tests.cli.conftest import Recorded


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command(["baseline", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_baseline_is_stored_by_its_whole_id(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["baseline", "set", recorded.base[:-1]]) == 0
    assert run_command(["baseline", "show"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [f"baseline: {recorded.base} (5 complete runs)"] * 2
    assert run_command(["baseline", "set", f"{recorded.ab}/candidate"]) == 0
    assert f"{recorded.ab}/candidate" in capsys.readouterr().out


def test_without_one_the_way_out_is_told(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert "perflab baseline set ID" in refused(capsys, "show")


def test_a_baseline_needs_a_complete_run(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded.dir(recorded.single).run(Level.of_users(100), 1).manifest
    run.write_text(run.read_text().replace('"complete"', '"interrupted"'))
    assert "has no complete run" in refused(capsys, "set", recorded.single)
    assert "no sweep 'nope'" in refused(capsys, "set", "nope")
    assert not (recorded.runs_dir / "baseline.json").exists()


def test_a_baseline_that_has_gone_is_named(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["baseline", "set", recorded.base])
    capsys.readouterr()
    shutil.rmtree(recorded.runs_dir / recorded.base)
    told = refused(capsys, "show")
    assert recorded.base in told
    assert "perflab baseline set ID" in told


def test_a_damaged_file_is_named(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    (recorded.runs_dir / "baseline.json").write_text("{")
    assert "baseline.json' is damaged" in refused(capsys, "show")


def test_without_a_word_it_is_shown(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert "perflab baseline set ID" in refused(capsys)
    run_command(["baseline", "set", recorded.base])
    assert run_command(["baseline"]) == 0
    assert capsys.readouterr().out.count(f"baseline: {recorded.base}") == 2
