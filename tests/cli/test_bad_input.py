"""Each mistake gets one line on stderr that names it, exit 2, and leaves nothing under runs/."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.sweep import Sweep
from perflab.cli.app import run_command
from perflab.cli.output import conclude
from perflab.errors import StoreError
from perflab.vocabulary.verdict import Verdict

SMALL = Load(users=(2,), seconds=3)
HOST = ["--host", "http://127.0.0.1:9"]


@pytest.fixture
def locustfile(in_empty_folder: Path, small_locustfile: Path) -> Path:
    path = in_empty_folder / "locustfile.py"
    shutil.copy(small_locustfile, path)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    code = run_command([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == ""
    assert err.startswith("perflab: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--users", "0"], "--users: '0'"),
        (["--users", "ten"], "--users: 'ten'"),
        (["--users", "100,"], "--users: ''"),
        (["--duration", "-5s"], "--duration: '-5s'"),
        (["--duration", "soon"], "--duration: 'soon'"),
        (["--spawn-rate", "0"], "--spawn-rate: '0'"),
        (["--repeats", "0"], "--repeats: '0'"),
        (["--seed", "-1"], "--seed: '-1'"),
        (["--processes", "two"], "--processes: 'two'"),
        (["--label", "///"], "--label"),
        (["--health", "/ü"], "--health"),
        (["--duration", "9" * 400], "--duration"),
        (["--spawn-rate", "1e-320"], "--spawn-rate"),
        (["--uesrs", "100"], "--uesrs"),
        (["--users"], "--users"),
        (["100"], "100"),
        (["--objectives", "nope.toml"], "'nope.toml' does not exist: give the path of one with --objectives"),
    ],
)
def test_options(
    locustfile: Path, capsys: pytest.CaptureFixture[str], in_empty_folder: Path, options: list[str], words: str
) -> None:
    assert words in refused(capsys, "sweep", *HOST, "-f", locustfile, *options)
    assert not (in_empty_folder / "runs").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (HOST, "http://127.0.0.1:9 can't be reached"),
        (["--host", "http://example.com"], "--allow-host example.com"),
        (["--host", "example"], "not a URL"),
        (["--host", "http://127.0.0.1:9/?token=x"], "must not carry a query"),
        (["--launch", "no-such-server {port}"], "no-such-server"),
        (["--launch", ""], "--launch is empty"),
        ([], "no target"),
    ],
)
def test_targets(
    locustfile: Path, capsys: pytest.CaptureFixture[str], in_empty_folder: Path, options: list[str], words: str
) -> None:
    assert words in refused(capsys, "sweep", "-f", locustfile, *options)
    assert not (in_empty_folder / "runs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_module", "no_such_module"),
        ("def broken(:", "SyntaxError"),
        ("x = 1", "defines no user class"),
        ("raise RuntimeError('out of cheese')", "out of cheese"),
        (
            "from locust import HttpUser, LoadTestShape\nclass U(HttpUser): pass\n"
            "class Steps(LoadTestShape):\n    def tick(self): return (1, 1)\n",
            "Steps is a LoadTestShape",
        ),
        ("import sys; sys.exit('settings: BAD is not a number')", "BAD is not a number"),
    ],
)
def test_locustfiles(
    in_empty_folder: Path, small_target: str, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = in_empty_folder / "broken.py"
    path.write_text(text)
    assert words in refused(capsys, "sweep", "--launch", small_target, "-f", path)
    assert not (in_empty_folder / "runs").exists()


def test_a_locustfile_that_is_not_there(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'nope.py' does not exist" in refused(capsys, "sweep", *HOST, "-f", "nope.py")
    assert "'.' is no regular file" in refused(capsys, "sweep", *HOST, "-f", ".")
    assert "--locustfile" in refused(capsys, "sweep", *HOST)


def test_run_takes_one_user_count(locustfile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "perflab sweep takes several" in refused(capsys, "run", *HOST, "-f", locustfile, "--users", "1,2")


def test_a_bad_variable_is_named(
    locustfile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD_TEST_DURATION_SECONDS", "long")
    assert "LOAD_TEST_DURATION_SECONDS: 'long'" in refused(capsys, "sweep", *HOST, "-f", locustfile)


def test_an_env_file_in_another_encoding(
    locustfile: Path, capsys: pytest.CaptureFixture[str], in_empty_folder: Path
) -> None:
    (in_empty_folder / ".env.load-testing").write_bytes(b"LOAD_TEST_LABEL=caf\xe9\n")
    assert ".env.load-testing' can't be read" in refused(capsys, "sweep", *HOST, "-f", locustfile)


@pytest.mark.parametrize("name", [".env.load-testing", "pyproject.toml", "beside.py"])
def test_a_pipe_among_the_projects_files_is_not_waited_for(
    locustfile: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = locustfile.with_name(name)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    monkeypatch.setenv("LOAD_TEST_COLOUR", "blue")
    assert run_command(["sweep", *HOST, "-f", str(locustfile)]) == 2
    expected = "it is no regular file" if name == ".env.load-testing" else "can't be reached"
    assert expected in capsys.readouterr().err


def test_a_folder_that_has_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gone").mkdir()
    with contextlib.chdir(tmp_path / "gone"):
        (tmp_path / "gone").rmdir()
        assert "the working folder" in refused(capsys, "list")


@pytest.mark.parametrize("command", ["show", "report"])
def test_unknown_sweeps(in_empty_folder: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "no sweep under" in refused(capsys, command, "latest")
    write_recorded_sweep(in_empty_folder / "runs", SMALL)
    assert "no sweep 'nope'" in refused(capsys, command, "nope")


@pytest.mark.parametrize("command", ["show", "report"])
@pytest.mark.parametrize("file", ["sweep.json", "users-0002-r1/run.json"])
@pytest.mark.parametrize("text", ["{", '{"schema_version": 99}'])
def test_broken_manifests(
    in_empty_folder: Path, capsys: pytest.CaptureFixture[str], command: str, file: str, text: str
) -> None:
    sweep = write_recorded_sweep(in_empty_folder / "runs", SMALL)
    (sweep.path / file).write_text(text)
    assert Path(file).name in refused(capsys, command, "latest")


def test_a_damaged_sweep_does_not_hide_the_others(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_recorded_sweep(in_empty_folder / "runs", SMALL)
    damaged = in_empty_folder / "runs" / "20200101T000000Z-damaged"
    damaged.mkdir()
    (damaged / "sweep.json").write_text("{")
    assert run_command(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["id"], row["status"]) for row in listed] == [(damaged.name, "damaged"), (good.id, "complete")]


def test_no_command_of_a_sweep_steers_the_terminal(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = write_recorded_sweep(in_empty_folder / "runs", SMALL)
    document = json.loads(sweep.manifest.read_text())
    document["plan"]["launch"] = "serve \x7f\x9b31m"
    sweep.manifest.write_text(json.dumps(document))
    assert run_command(["list", "--json"]) == 0
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    assert json.loads(printed)[0]["host"] == document["plan"]["launch"]


def test_unknown_notebook_parameters(in_empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = write_recorded_sweep(in_empty_folder / "runs", SMALL)
    before = sorted(sweep.path.iterdir())
    assert "'usres'" in refused(capsys, "report", "latest", "-p", "usres=1")
    assert "NAME=VALUE" in refused(capsys, "report", "latest", "-p", "users")
    assert sorted(sweep.path.iterdir()) == before


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for arguments in ([], ["--help"], ["-h"]):
        assert run_command(arguments) == 0
        outputs.append(capsys.readouterr().out)
    assert len(set(outputs)) == 1
    # No command's line is cut off in a terminal of 80 columns.
    assert "Usage: perflab" in outputs[0]
    assert "..." not in outputs[0].partition("Commands:")[2]


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == f"perflab {version('perflab')}\n"


@pytest.mark.parametrize(
    ("arguments", "helps"),
    [
        (["sweep", "--uesrs", "1"], "perflab sweep --help"),
        (["baseline", "set"], "perflab baseline set --help"),
        (["sweeep"], "perflab --help"),
    ],
)
def test_wrong_usage_names_the_help_that_helps(
    capsys: pytest.CaptureFixture[str], arguments: list[str], helps: str
) -> None:
    err = refused(capsys, *arguments)
    assert f"({helps} " in err
    assert run_command(helps.split()[1:]) == 0


def test_a_defect_of_perflab_is_not_a_verdict(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perflab.list_sweeps", lambda *_: 1 / 0)
    assert run_command(["list"]) == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (StoreError("no room for a report"), "perflab: no report: no room for a report"),
        (OSError(28, "No space left on device", "report.html"), "No space left on device: 'report.html'"),
        (ZeroDivisionError(), "perflab: no report: ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASS, 0), (Verdict.FAIL, 1)])
def test_a_report_that_can_not_be_made_hides_no_verdict_and_changes_no_exit_code(
    in_empty_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    last: str,
    verdict: str,
    code: int,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("perflab.report.render", fail, raising=False)
    sweep = Sweep.open(write_recorded_sweep(in_empty_folder / "runs", SMALL))
    monkeypatch.setattr(Sweep, "verdict", verdict)
    assert conclude(sweep, report=True, as_json=False) == code
    out, err = capsys.readouterr()
    assert verdict in out
    assert err.splitlines()[-1].endswith(last)
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)
    assert (sweep.dir.path / "metrics.json").is_file()
