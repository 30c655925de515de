"""perflab doctor: its table, its JSON, its exit code, and that no secret is shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from perflab.cli.app import run_command
from tests.readiness.test_target import serve

CHECKS = [
    *("settings", "locustfile", "target", "host allowed", "API reachable", "database", "report directory"),
    *("runs directory", "open files", "memory", "cores", "versions", "wire clock"),
]


@pytest.fixture
def locustfile(in_empty_folder: Path, small_locustfile: Path) -> Path:
    path = in_empty_folder / "locustfile.py"
    shutil.copy(small_locustfile, path)
    return path


def test_all_is_well(locustfile: Path, in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve() as server:
        code = run_command(["doctor", "--host", server.host, "-f", "locustfile.py", "--users", "10", "--json"])
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (code, err) == (0, ""), told
    assert [check["check"] for check in told["checks"]] == CHECKS
    assert {check["result"] for check in told["checks"]} - {"warning"} == {"ok"}
    assert all(set(check) == {"check", "result", "found", "advice"} for check in told["checks"])
    assert told["result"] in {"ok", "warning"}
    assert "10 users need about 110" in out
    # Looking changes nothing.
    assert sorted(path.name for path in in_empty_folder.iterdir()) == ["locustfile.py", "pyproject.toml"]


def test_problems_are_told_with_what_to_do(
    in_empty_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "LOAD_TEST_HOST": "http://u:planted-host@staging.example",
        "LOAD_TEST_SPAWN_RATE": "often",
        "LOAD_TEST_DATABASE_URL": "postgresql://u:planted-database/x@h/test",
        "LOAD_TEST_LAUNCH": "serve {port} --password planted-launch",
        "LOAD_TEST_REPORT_DIR": "pyproject.toml",
    }.items():
        monkeypatch.setenv(name, value)
    for options in ([], ["--json"]):
        assert run_command(["doctor", *options]) == 2
        out, err = capsys.readouterr()
        assert err == ""
        assert "planted" not in out
        # The table breaks long texts.
        assert "LOAD_TEST_SPAWN_RATE: 'often' is not" in out
        assert "correct it in the environment" in out
        assert "not asked" in out
    told = {check["check"]: check["result"] for check in json.loads(out)["checks"]}
    problems = [check for check, result in told.items() if result == "problem"]
    assert problems == ["settings", "locustfile", "host allowed", "database", "report directory"]


def test_the_doctor_fails_where_a_sweep_would(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # There is neither a locustfile nor a target.
    assert run_command(["sweep"]) == 2
    capsys.readouterr()
    assert run_command(["doctor"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("2 problems, ")
    rows = [line.split() for line in lines]
    assert [row[:2] for row in rows if row[1:2] == ["problem"]] == [["locustfile", "problem"], ["target", "problem"]]


@pytest.mark.parametrize(
    ("options", "result"),
    [
        (["--launch", "serve {port}"], "ok"),
        (["--launch", "serve"], "problem"),
        (["--launch", ""], "problem"),
        ([], "problem"),
    ],
)
def test_a_target_to_be_started(
    locustfile: Path, capsys: pytest.CaptureFixture[str], options: list[str], result: str
) -> None:
    assert run_command(["doctor", "-f", str(locustfile), "--json", *options]) == (0 if result == "ok" else 2)
    told = {check["check"]: check["result"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert told["target"] == result


def test_another_health_path_is_asked_for(
    locustfile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_HEALTH", "/by-variable")
    with serve() as server:
        for options, path in ([], "/by-variable"), (["--health", "/by-option"], "/by-option"):
            server.paths.clear()
            assert run_command(["doctor", "--host", server.host, "-f", "locustfile.py", *options]) == 0
            assert set(server.paths) == {path}
    assert run_command(["doctor", "--host", "http://localhost:9", "--health", "health"]) == 2
    assert "--health: 'health'" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "result"), [("SlowClientUser", "ok"), ("Nobody", "problem"), ("-u 3", "problem")])
def test_options_for_locust_are_checked(
    locustfile: Path, capsys: pytest.CaptureFixture[str], options: str, result: str
) -> None:
    run_command(["doctor", "-f", str(locustfile), "--json", "--", *options.split()])
    told = {check["check"]: check["result"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert told["locustfile"] == result


def test_warnings_are_no_problem(locustfile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(404) as server:
        assert run_command(["doctor", "--host", server.host, "-f", "locustfile.py"]) == 0
    assert "answers 404" in capsys.readouterr().out


def test_a_host_may_be_allowed_here(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = ["--host", "http://staging.invalid"]
    assert run_command(["doctor", *host]) == 2
    assert "not asked" in capsys.readouterr().out
    assert run_command(["doctor", *host, "--allow-host", "staging.invalid"]) == 2
    assert "can't be reached" in capsys.readouterr().out


def test_an_env_file_that_can_not_be_read_ends_no_other_check(
    in_empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_empty_folder / ".env.load-testing").write_bytes(b"LOAD_TEST_LABEL=caf\xe9\n")
    assert run_command(["doctor", "--json"]) == 2
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert "can't be read" in checks[0]["found"]
    assert {check["check"] for check in checks} == set(CHECKS)


def test_bad_options_are_refused_as_everywhere(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["doctor", "--users", "many"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("perflab: --users: 'many'")
