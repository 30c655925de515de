"""What `pip install perflab` brings: perflab alone, with all that a first report and a first project take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from perflab.vocabulary.verdict import Verdict

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel's files, as an environment's site-packages does."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def perflab(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the installed perflab in `folder`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOAD_TEST_")}
    return subprocess.run(
        [sys.executable, "-m", "perflab", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(installed)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_holds_perflab_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"perflab"}
    assert {"perflab/notebooks/sweep.ipynb", "perflab/notebooks/compare.ipynb", "perflab/py.typed"} <= set(names)
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("/METADATA"))).decode()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not [line for line in required if "asyncpg" in line or "pgserver" in line or "faker" in line]


def test_one_command_gives_a_report_without_a_service(installed: Path, tmp_path: Path) -> None:
    done = perflab(installed, tmp_path, "demo", "--users", "20", "--duration", "3s", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == {"PASS": 0, Verdict.INCONCLUSIVE: 4}[result["verdict"]], done.stderr
    [report] = tmp_path.glob("runs/*/report.html")
    assert "Load sweep" in report.read_text(encoding="utf-8")


def test_a_fresh_project_works_as_it_is(installed: Path, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert perflab(installed, tmp_path, "init").returncode == 0
    settings = tmp_path / ".env.load-testing.local"
    settings.write_text("LOAD_TEST_USERS=5\nLOAD_TEST_DURATION_SECONDS=3\n")
    assert perflab(installed, tmp_path, "sweep", "--no-report").returncode in (0, 4)
    assert list(tmp_path.glob("runs/*/metrics.json"))
    # The notebook's own defaults, but for the load.
    notebook = tmp_path / "notebooks" / "sweep.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "sweep.ipynb", "out.ipynb", "-y", "users: 5\nduration: 3s\nspawn_rate: 10"],
        cwd=notebook.parent,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(list(tmp_path.glob("runs/*/sweep.json"))) == 2


def test_nothing_of_a_project_is_replaced_unasked(installed: Path, tmp_path: Path) -> None:
    mine = tmp_path / "locustfile.py"
    mine.write_text("# mine\n")
    (tmp_path / ".gitignore").write_text("dist/\n")
    done = perflab(installed, tmp_path, "init")
    assert (done.returncode, mine.read_text()) == (0, "# mine\n")
    assert (tmp_path / ".gitignore").read_text() == "dist/\nruns/\n"
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert perflab(installed, tmp_path, "init", ".").returncode == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert perflab(installed, tmp_path, "init", "--force").returncode == 0
    assert mine.read_text() != "# mine\n"


def test_a_folder_that_can_not_be_one_is_named(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = perflab(installed, tmp_path, "init", "file")
    assert done.returncode == 2
    assert "file" in done.stderr
    assert done.stderr.count("\n") == 1
