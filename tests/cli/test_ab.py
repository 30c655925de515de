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
        (["a", "b", "--resume", "x"], "leave the others out"),
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
