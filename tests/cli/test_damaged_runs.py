"""Whatever lies under ``runs/`` is read within bounds, or refused in one line that names the file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.cli.app import run_command
from perflab.store.layout import SweepDir

Document = dict[str, Any]
RUN = "users-0002-r1"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recorded_sweep(tmp_path_factory.mktemp("written"), Load(users=(2,), seconds=3)).path


@pytest.fixture
def sweep(written: Path, in_empty_folder: Path) -> SweepDir:
    place = in_empty_folder / "runs" / written.name
    shutil.copytree(written, place)
    return SweepDir(place)


def refused(capsys: pytest.CaptureFixture[str], name: str) -> str:
    code = run_command(["show", "latest"])
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert err.count("\n") == 1
    assert name in err
    return err


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run["window"].update(end=1e9),
        lambda run: run["window"].update(start=-5),
        lambda run: run["window"].update(start=float("nan")),
        lambda run: run["window"].update(end=float("inf")),
        lambda run: run["level"].update(value=10**30),
        lambda run: run["level"].update(value=0),
        lambda run: run.update(repeat=-1),
        lambda run: run.update(start="0001-01-01T00:00:00Z"),
        lambda run: run.update(start="2026-11-22T10:30:00"),
        lambda run: run.update(sweep_id=["a", "b"]),
        lambda run: run.update(suite={"users": {"User": ["a"]}}),
        lambda run: run.update(suite={"users": {"User": {"weight": float("inf")}}}),
        lambda run: run.update(versions={"locust": ["2"]}),
        lambda run: run["evidence"].update(requests_recorded=10**20),
        lambda run: run["evidence"].update(exceptions={"x": "many"}),
        lambda run: run["plan"].update(spawn_rate=0),
        lambda run: run["plan"].update(users=[]),
        lambda run: run["plan"].update(duration_s=1e18),
        lambda run: run.update(git_commit="a\x00"),
        lambda run: run.update(git_commit="\ud800"),
        lambda run: run.update(suite={"users": {"x" * 200_000: {}}}),
        lambda run: run.update(suite={"users": {"User": {"tasks": {"a": deep(50)}}}}),
    ],
)
def test_a_run_manifest_with_what_can_not_be(
    sweep: SweepDir, capsys: pytest.CaptureFixture[str], change: Callable[[Document], None]
) -> None:
    path = sweep.path / RUN / "run.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    refused(capsys, "run.json' is damaged")


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: doc["objectives"]["limits"][0].update(group="nobody"),
        lambda doc: doc["objectives"]["limits"][0].update(metric="speed"),
        lambda doc: doc["objectives"]["limits"][0].update(bound="at_most"),
        lambda doc: doc["objectives"]["limits"][0].update(limit=2),
        lambda doc: doc["objectives"]["limits"].append(doc["objectives"]["limits"][0]),
        lambda doc: doc["objectives"]["groups"].append(doc["objectives"]["groups"][0]),
        lambda doc: doc["objectives"]["groups"][0].update(name=["a"]),
        lambda doc: doc["objectives"]["groups"][0].update(name="a\x1b[31m"),
        lambda doc: doc.update(label="a\x00b"),
        lambda doc: doc.update(label=["a"]),
        lambda doc: doc.update(created=10**17),
        lambda doc: doc["environment"].update(cores=-1),
        lambda doc: doc["environment"].update(variables=["a"]),
        lambda doc: doc["target"].update(host={"a": 1}),
        lambda doc: doc.update(environment={str(number): 1 for number in range(30_000)}),
    ],
)
def test_a_sweep_manifest_with_what_can_not_be(
    sweep: SweepDir, capsys: pytest.CaptureFixture[str], change: Callable[[Document], None]
) -> None:
    document = json.loads(sweep.manifest.read_text())
    change(document)
    sweep.manifest.write_text(json.dumps(document))
    refused(capsys, "sweep.json' is damaged")


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 10_000, '"x"', "[]", '{"schema_version": 1e999}'])
def test_a_manifest_that_is_no_document(sweep: SweepDir, capsys: pytest.CaptureFixture[str], text: str) -> None:
    sweep.manifest.write_text(text)
    refused(capsys, "sweep.json' is damaged")


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder", "huge"])
@pytest.mark.parametrize("name", ["sweep.json", f"{RUN}/run.json", f"{RUN}/latency.csv", f"{RUN}/generator.csv"])
def test_what_is_no_regular_file_is_not_waited_for(
    sweep: SweepDir, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    path = sweep.path / name
    data = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(data)
        os.truncate(path, 10**11)
    assert "can't be read" in refused(capsys, path.name)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("latency.csv", "999999999,local,GET,/a,ok,client,1,1"),
        ("latency.csv", "-1,local,GET,/a,ok,client,1,1"),
        ("latency.csv", "1,local,GET,/a,ok,client,1e300,1"),
        ("latency.csv", "1,local,GET,/a,ok,client,inf,1"),
        ("latency.csv", "1,local,GET,/a,ok,client,1,9223372036854775807"),
        ("failures.csv", "2147483647,GET,/a,http_500,500,,1"),
        ("generator.csv", "1,local,-1,0,1,1,1,1,1,1,1,1,1,0"),
        ("generator.csv", "1,local,1,0,inf,1,1,1,1,1,1,1,1,0"),
    ],
)
def test_figures_beyond_all_bounds(sweep: SweepDir, capsys: pytest.CaptureFixture[str], name: str, row: str) -> None:
    path = sweep.path / RUN / name
    path.write_text(f"{path.read_text()}{row}\n")
    assert f"line {path.read_text().count(chr(10))} is damaged" in refused(capsys, name)


def test_a_run_as_long_as_may_be_needs_no_memory_for_it(sweep: SweepDir) -> None:
    path = sweep.path / RUN / "run.json"
    document = json.loads(path.read_text())
    document["window"]["end"] = 3e6
    path.write_text(json.dumps(document))
    assert run_command(["show", "latest", "--json"]) in {3, 4, 0, 1}


@pytest.mark.parametrize("name", ["users-99999999999999999999-r1", "users-0002-r99999999999999999999", "users-٠٠٠٢-r1"])
def test_a_folder_that_no_run_has_made(sweep: SweepDir, name: str) -> None:
    (sweep.path / name).mkdir()
    assert run_command(["show", "latest", "--json"]) == 0
