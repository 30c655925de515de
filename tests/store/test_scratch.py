"""What a kill leaves is removed by the next command, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from perflab.files import write_whole
from perflab.store.layout import SweepDir, create_sweep, list_sweeps
from perflab.store.scratch import clear_leftovers, hold, scratch_folder
from perflab.vocabulary.level import Level

# Makes scratch of all kinds as a run, a report and a checkout do, says so, and waits.
MAKER = """
import os, sys, time
from pathlib import Path
from perflab.store.recorder_protocol import RunState, write_state
from perflab.store.scratch import hold, scratch_folder
from perflab.vocabulary.level import Level
place, own = Path(sys.argv[1]), os.getpid()
run = place / "users-0001-r1"
with hold(place), scratch_folder("report", place) as report, scratch_folder("checkout") as checkout:
    write_state(run, RunState())
    files = [run / f".perflab-run.json.{own}", place / f".perflab-sweep.json.{own}"]
    for path in (*files, report / "report.ipynb", checkout / "file"):
        path.write_text("half")
    print(checkout, flush=True)
    time.sleep(60)
"""
KEPT = (".gitkeep", ".env.json.bak", ".eslintrc.json.20240101", ".report-archive", "report-x", ".perflab-x.json.1x")


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    made = create_sweep(tmp_path / "runs", "x")
    made.run(Level.of_users(1), 1).path.mkdir()
    for name in KEPT:
        # Folders count as much as files.
        (made.path / name).mkdir() if name == ".report-archive" else (made.path / name).touch()
    return made


@pytest.fixture
def maker(sweep: SweepDir) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", MAKER, str(sweep.path)], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def hidden(sweep: SweepDir) -> set[str]:
    return {path.name for path in sweep.path.rglob(".*")} - set(KEPT)


def test_scratch_is_a_left_over_once_its_maker_was_killed(sweep: SweepDir, maker: subprocess.Popen[str]) -> None:
    assert maker.stdout is not None
    checkout = Path(maker.stdout.readline().strip())
    before = hidden(sweep)
    assert len(before) == 4
    clear_leftovers(sweep.runs_dir)
    assert hidden(sweep) == before
    assert checkout.exists()
    maker.kill()
    maker.wait()
    clear_leftovers(sweep.runs_dir)
    assert hidden(sweep) == set()
    assert not checkout.exists()
    assert {path.name for path in sweep.path.iterdir()} == {"users-0001-r1", *KEPT}


def test_what_is_held_elsewhere_protects_nothing_here(sweep: SweepDir) -> None:
    other = create_sweep(sweep.runs_dir, "other")
    for place in (sweep, other):
        (place.path / ".perflab-report-abc").mkdir()
    with hold(other.path):
        clear_leftovers(sweep.runs_dir)
    assert not (sweep.path / ".perflab-report-abc").exists()
    assert (other.path / ".perflab-report-abc").exists()


def test_a_sweep_that_was_killed_before_its_first_file_is_none(sweep: SweepDir) -> None:
    killed, begun = (create_sweep(sweep.runs_dir, label) for label in ("killed", "begun"))
    for made in (sweep, killed):
        os.utime(made.path, (0, 0))
    clear_leftovers(sweep.runs_dir)
    assert {place.id for place in list_sweeps(sweep.runs_dir)} == {sweep.id, begun.id}


@pytest.mark.parametrize("place", ["absent", "file", "link"])
def test_what_is_no_folder_of_runs_is_left_alone(tmp_path: Path, place: str) -> None:
    (tmp_path / "home" / ".perflab-report-abc").mkdir(parents=True)
    (tmp_path / "file").touch()
    runs_dir = tmp_path / "runs"
    runs_dir.mkdir()
    (runs_dir / "20261122T103000Z-link").symlink_to(tmp_path / "home")
    clear_leftovers(runs_dir if place == "link" else tmp_path / place)
    assert (tmp_path / "home" / ".perflab-report-abc").exists()


def test_a_temporary_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"perflab-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    clear_leftovers(tmp_path / "runs")
    with pytest.raises(PermissionError, match="TMPDIR"), scratch_folder("checkout"):
        pass


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    path.with_name("folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(path.with_name("folder"), "new")
    assert path.read_text() == "old"
    assert {one.name for one in tmp_path.iterdir()} == {"file.json", "folder"}
