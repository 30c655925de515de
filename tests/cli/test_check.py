"""perflab check: a sweep held against its objectives, and against a baseline."""

from __future__ import annotations

import json

import pytest

from perflab.cli.app import run_command
from perflab.vocabulary.level import Level
from tests.cli.conftest import Recorded

WIDE = ("--margin", "20%")


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run_command(["check", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def tighten(recorded: Recorded, sweep_id: str) -> None:
    """Set an objective of a recorded sweep that it has missed by far."""
    manifest = recorded.dir(sweep_id).manifest
    manifest.write_text(manifest.read_text().replace('"limit": 300.0', '"limit": 1.0'))


def spoil(recorded: Recorded, sweep_id: str) -> None:
    """Make a sweep's only run one whose users were not reached."""
    run = recorded.dir(sweep_id).run(Level.of_users(100), 1).manifest
    run.write_text(run.read_text().replace('"users_reached": 100', '"users_reached": 7'))


def test_objectives_alone(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = checked(capsys, recorded.equal)
    assert code == 0
    assert f"PASS  {recorded.equal}" in out
    assert not list(recorded.runs_dir.glob("*/against-*"))
    tighten(recorded, recorded.equal)
    assert checked(capsys, recorded.equal)[0] == 1
    spoil(recorded, recorded.single)
    assert checked(capsys, recorded.single)[0] == 3


def test_a_slower_sweep_that_meets_its_objectives_fails(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["baseline", "set", recorded.base]) == 0
    capsys.readouterr()
    code, out = checked(capsys, recorded.slow, "--baseline")
    assert code == 1
    assert f"PASS  {recorded.slow}" in out
    assert out.splitlines()[-1] == "FAIL  objectives: PASS, against the baseline: FAIL"
    place = recorded.dir(recorded.slow).path / f"against-{recorded.base}"
    assert {file.name for file in place.iterdir()} == {"comparison.json", "junit.xml", "summary.md"}


def test_both_must_pass(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(capsys, recorded.equal, "--against", recorded.base, *WIDE)[0] == 0
    tighten(recorded, recorded.equal)
    code, out = checked(capsys, recorded.equal, "--against", recorded.base, *WIDE)
    assert code == 1
    assert out.splitlines()[-1] == "FAIL  objectives: FAIL, against the baseline: PASS"


def test_invalid_outranks_fail(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    tighten(recorded, recorded.single)
    spoil(recorded, recorded.single)
    code, out = checked(capsys, recorded.single, "--against", recorded.base)
    assert code == 3
    assert out.splitlines()[-1].startswith("INVALID")


def test_a_single_run_is_open_and_told_how_to_get_more(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = checked(capsys, recorded.single, "--against", recorded.base)
    assert code == 4
    assert "--repeats 5" in out


def test_json_holds_both(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = checked(capsys, recorded.slow, "--against", recorded.base, "--json")
    found = json.loads(out)
    assert (code, found["exit_code"], found["verdict"]) == (1, 1, "FAIL")
    assert (found["sweep"]["verdict"], found["comparison"]["verdict"]) == ("PASS", "FAIL")
    assert json.loads(checked(capsys, recorded.slow, "--json")[1])["comparison"] is None


def test_mistakes_are_named(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert "perflab baseline set ID" in refused(capsys, recorded.slow, "--baseline")
    assert "add --baseline" in refused(capsys, recorded.slow, *WIDE)
    assert "add --baseline" in refused(capsys, recorded.slow, "--allow-different", "machine")
    assert "no sweep 'nope'" in refused(capsys, "nope")
    assert "no sweep 'nope'" in refused(capsys, recorded.slow, "--against", "nope")
    assert "can't be compared with itself" in refused(capsys, recorded.slow, "--against", recorded.slow)
    run_command(["baseline", "set", recorded.slow])
    capsys.readouterr()
    assert "is the baseline itself" in refused(capsys, recorded.slow, "--baseline")
