"""``perflab ab`` from the command line: a verdict, its files, an end in the middle and going on, what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from perflab.cli.app import run_command
from perflab.plan.ab import check_again
from perflab.store.manifest import AbManifest, read_manifest
from tests.cli.conftest import Recorded

PARTS = Path(__file__).parents[1] / "parts"
MARK = "PERFLAB_TEST_MARK"


def target(folder: Path, name: str, ms: int) -> str:
    words = [sys.executable, str(PARTS / "counting_target.py"), "{port}", name, str(folder / "served"), "0", str(ms)]
    return shlex.join(words)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "perflab", *arguments]


def load(folder: Path) -> list[str]:
    locustfile = str(PARTS / "telling_locustfile.py")
    return ["-f", locustfile, "--users", "12", "--duration", "2s", "--runs-dir", str(folder / "runs")]


def family(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_regression_is_found_and_a_kill_in_the_middle_costs_one_round(in_empty_folder: Path) -> None:
    mark = uuid.uuid4().hex
    sides = [target(in_empty_folder, "baseline", 5), target(in_empty_folder, "candidate", 15)]
    begun = subprocess.Popen(
        command("ab", *sides, "--rounds", "3", "--label", "kill", *load(in_empty_folder)),
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 90
    second = "runs/*/candidate/users-0012-r2/latency.csv"
    while not any(table.stat().st_size > 1000 for table in in_empty_folder.glob(second)):
        assert begun.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    begun.kill()
    begun.wait(10)
    deadline = time.monotonic() + 5
    while family(mark):
        assert time.monotonic() < deadline, family(mark)
        time.sleep(0.05)
    [place] = (in_empty_folder / "runs").iterdir()
    assert json.loads((place / "ab.json").read_text())["status"] == "interrupted"

    early = subprocess.run(command("compare", place.name, *load(in_empty_folder)[-2:]), capture_output=True, text=True)
    assert early.returncode == 2
    assert f"perflab ab --resume {place.name}" in early.stderr

    resumed = subprocess.run(
        command("ab", "--resume", place.name[:16], "--json", *load(in_empty_folder)[-2:]),
        capture_output=True,
        text=True,
    )
    assert resumed.returncode == 1, resumed.stderr
    told = json.loads(resumed.stdout)
    assert (told["verdict"], told["change"]) == ("FAIL", "REGRESSION")
    left_out = {int(number): why for number, why in re.findall(r"round (\d+) can't be used: (.*)", resumed.stderr)}
    # A crowded machine may spoil another round, by its own reason; the kill costs the second and no other.
    assert [number for number, why in left_out.items() if why == "the run was interrupted"] == [2]
    rounds = [number for number in range(1, 4 + len(left_out)) if number not in left_out]
    manifest = json.loads((place / "ab.json").read_text())
    assert (manifest["status"], manifest["rounds"], manifest["verdict"]) == ("complete", rounds, "FAIL")
    files = {path.name for path in place.iterdir()}
    assert {"comparison.json", "junit.xml", "summary.md", "report.html", "baseline", "candidate"} <= files

    again = subprocess.run(command("ab", "--resume", place.name, *load(in_empty_folder)[-2:]), capture_output=True)
    assert again.returncode == 2
    assert b"is complete" in again.stderr
    shown = subprocess.run(
        command("compare", place.name, "--no-report", *load(in_empty_folder)[-2:]), capture_output=True, text=True
    )
    assert shown.returncode == 1, shown.stderr
    assert "slower" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name two targets: perflab ab BASELINE CANDIDATE"),
        (["http://127.0.0.1:9"], "name two targets"),
        (["HEAD~1", "HEAD"], "to compare git refs give --launch CMD"),
        (["http://127.0.0.1:9", "http://127.0.0.1:9"], "http://127.0.0.1:9 can't be reached"),
        (["--resume", "nothing"], "no A/B comparison under"),
        (["a", "b", "--resume", "x"], "continues with the same two targets"),
        (["a {port}", "b {port}", "--margin", "ten"], "--margin: 'ten'"),
        (["a {port}", "b {port}", "--design", "trio"], "--design 'trio'"),
        (["a {port}", "b {port}", "--users", "7"], "--users 7 can't be split evenly"),
        (["a {port}", "b {port}"], "can't start"),
        (["http://example.com", "b {port}"], "--allow-host example.com"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    in_empty_folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    options = ["-f", str(PARTS / "telling_locustfile.py"), "--runs-dir", "runs"]
    code = run_command(["ab", *arguments, *options])
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert says in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def changed(recorded: Recorded, **fields: object) -> str:
    """Change what the manifest of the recorded comparison says of its baseline and its plan."""
    path = recorded.runs_dir / recorded.ab / "ab.json"
    document = json.loads(path.read_text())
    document["ab"]["baseline"] |= {name: value for name, value in fields.items() if name in ("host", "launch", "ref")}
    document["ab"]["plan"] |= {name: value for name, value in fields.items() if name not in ("host", "launch", "ref")}
    path.write_text(json.dumps(document))
    return recorded.ab


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "http://192.0.2.1", "launch": None}, "--allow-host 192.0.2.1"),
        ({"host": "http://u:hunter2@localhost", "launch": None}, "must not carry a user name"),
        ({"host": "file:///etc/passwd", "launch": None}, "is not a URL"),
        ({"launch": None}, "a target is empty"),
        ({"ref": "HEAD"}, "two refs"),
        ({"users": [3]}, "can't be split evenly"),
        ({"health": "nowhere"}, "--health"),
        ({"locustfile": "/nowhere/locustfile.py"}, "does not exist"),
    ],
)
def test_what_a_manifest_says_passes_the_same_gate(
    recorded: Recorded,
    small_locustfile: Path,
    capsys: pytest.CaptureFixture[str],
    fields: dict[str, object],
    words: str,
) -> None:
    ab_id = changed(recorded, **{"locustfile": str(small_locustfile), **fields})
    assert run_command(["ab", "--resume", ab_id]) == 2
    told = capsys.readouterr()
    assert words in told.err, told.err
    assert "hunter2" not in told.err
    assert not list((recorded.runs_dir / ab_id).glob("*/users-*-r6"))


def test_a_manifest_opens_no_port_to_strangers(recorded: Recorded, small_locustfile: Path) -> None:
    changed(recorded, locustfile=str(small_locustfile), expect_workers=3, master_bind="0.0.0.0:5557", settle_s=4.0)
    read = read_manifest(recorded.runs_dir / recorded.ab / "ab.json", AbManifest).ab
    checked = check_again(read, environment={}, root=recorded.runs_dir)
    assert (checked.plan.expect_workers, checked.plan.master_bind) == (0, "127.0.0.1:5557")
    assert (checked.looks, checked.plan.settle_s, checked.margin) == (read.looks, 4.0, read.margin)
