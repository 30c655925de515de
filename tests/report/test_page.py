from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from perflab.analyse.sweep import Sweep
from perflab.errors import PerflabError, UsageError
from perflab.report import export_html, find_notebook, render, run_notebook
from perflab.store.layout import SweepDir
from perflab.vocabulary.verdict import Verdict
from tests.report.conftest import write_hostile_sweep


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook whose first code cell is its parameters cell."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def visible(html: str) -> str:
    body = html[html.index("<body") :]
    return re.sub(r'(?s)<style.*?</style>|src="data:[^"]*"', "", body)


def test_the_report_has_everything_in_its_order_and_no_traceback(rendered: SweepDir) -> None:
    html = visible(rendered.report_html.read_text(encoding="utf-8"))
    order = ["Load sweep", Verdict.INCONCLUSIVE, "Throughput", "Latency", "Errors", "Generator and target", "Endpoints"]
    places = [html.index(word) for word in [*order, "How it was measured"]]
    assert places == sorted(places)
    assert html.count("<img ") == 6
    assert "Traceback" not in html
    assert "perflab.open_sweep" not in html


def test_no_place_on_disk_reaches_the_report(rendered: SweepDir) -> None:
    html = rendered.report_html.read_text(encoding="utf-8")
    assert str(rendered.path.parent) not in html
    assert str(Path.home()) not in visible(html) or str(Path.home()) == "/"
    about = json.loads(rendered.report_notebook.read_text(encoding="utf-8"))["metadata"]["papermill"]
    assert about["input_path"] == "sweep.ipynb"
    assert about["output_path"] == "report.ipynb"


def test_nothing_else_is_left_in_the_sweeps_folder(rendered: SweepDir) -> None:
    assert {path.name for path in rendered.path.iterdir()} == {
        *("sweep.json", "users-0020-r1", "users-0040-r1", "report.html", "report.ipynb")
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"user": "3"}, "unknown notebook parameter 'user': known are target, users, spawn_rate"),
        ({"sweep_id": "latest"}, "'sweep_id' is set by the report itself"),
    ],
)
def test_an_unfit_parameter_is_refused_before_anything_runs(
    tmp_path: Path, parameters: dict[str, str], message: str
) -> None:
    sweep_dir = write_hostile_sweep(tmp_path)
    before = sorted(sweep_dir.path.iterdir())
    with pytest.raises(UsageError, match=re.escape(message)):
        render(Sweep.open(sweep_dir), parameters=parameters)
    assert sorted(sweep_dir.path.iterdir()) == before


@pytest.mark.parametrize("text", [None, "not a notebook"], ids=["missing", "broken"])
def test_an_unfit_notebook_is_refused_with_its_name(tmp_path: Path, text: str | None) -> None:
    notebook = tmp_path / "mine.ipynb"
    if text:
        notebook.write_text(text)
    with pytest.raises(UsageError, match=r"mine\.ipynb"):
        run_notebook(notebook, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_failing_cell_keeps_the_earlier_report_and_shows_what_there_was(tmp_path: Path) -> None:
    sweep_dir = write_hostile_sweep(tmp_path / "runs")
    sweep_dir.report_html.write_text("the earlier one")
    notebook = write_notebook(
        tmp_path / "mine.ipynb",
        "sweep_id = None\nruns_dir = None",
        "print('so far')",
        "raise ValueError('no such thing')",
    )
    with pytest.raises(PerflabError) as failed:
        render(Sweep.open(sweep_dir), notebook=notebook)
    kept = sweep_dir.path / "report-failed.html"
    assert str(failed.value) == f"mine.ipynb failed with ValueError: no such thing; see {kept}"
    assert "\n" not in str(failed.value)
    html = kept.read_text(encoding="utf-8")
    assert "so far" in html
    assert "no such thing" in html
    assert kept.with_suffix(".ipynb").is_file()
    assert sweep_dir.report_html.read_text() == "the earlier one"
    assert not list(sweep_dir.path.glob(".perflab-report-*"))


def test_parameters_reach_the_notebook(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "mine.ipynb", "users = 1\nlabel = 'a'", "print(label, users + 1)")
    run_notebook(notebook, tmp_path / "out.ipynb", {"users": 41})
    export_html(tmp_path / "out.ipynb", tmp_path / "out.html", title="Mine & <yours>")
    html = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "a 42" in html
    assert "<title>Mine &amp; &lt;yours&gt;</title>" in html
    assert '<html lang="en">' in html


def test_the_notebook_is_found_in_a_checkout_and_where_a_wheel_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_notebook() == Path(__file__).parents[2] / "notebooks" / "sweep.ipynb"
    notebooks = tmp_path / "lib" / "perflab" / "notebooks"
    notebooks.mkdir(parents=True)
    (notebooks / "sweep.ipynb").touch()
    monkeypatch.setattr("perflab.starter._PACKAGE", notebooks.parent)
    assert find_notebook() == notebooks / "sweep.ipynb"
    with pytest.raises(PerflabError, match=r"'other\.ipynb' is missing"):
        find_notebook("other.ipynb")


def test_tables_in_a_notebook_load_neither_papermill_nor_nbconvert() -> None:
    program = "import perflab.report, sys; sys.exit(bool({'papermill', 'nbconvert', 'locust'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_kernel_that_dies_is_an_error_of_one_line(tmp_path: Path) -> None:
    dies = write_notebook(tmp_path / "dies.ipynb", "x = 1", "import os; os._exit(9)")
    with pytest.raises(PerflabError, match=r"^dies\.ipynb could not be run: .*died"):
        run_notebook(dies, tmp_path / "out.ipynb")


def test_a_notebook_of_ones_own_may_import_from_the_working_folder_and_perflabs_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").touch()
    imports = write_notebook(tmp_path / "imports.ipynb", "x = 1", "import beside")
    run_notebook(imports, tmp_path / "out.ipynb")
    with pytest.raises(PerflabError, match="failed with ModuleNotFoundError: No module named 'beside'"):
        run_notebook(imports, tmp_path / "out.ipynb", isolated=True)


def test_a_kernel_that_dies_costs_the_report_and_leaves_nothing(
    tmp_path: Path, hostile_dir: SweepDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    notebook = write_notebook(
        tmp_path / "dying.ipynb", "sweep_id = None\nruns_dir = None", "import os; os.kill(os.getpid(), 9)"
    )
    place = SweepDir(tmp_path / "runs" / hostile_dir.id)
    shutil.copytree(hostile_dir.path, place.path)
    before = {path.name for path in place.path.iterdir()}
    with pytest.raises(PerflabError, match="dying"):
        render(Sweep.open(place), notebook=notebook)
    assert {path.name for path in place.path.iterdir()} == before
    assert not [path for path in tmp_path.rglob("*kernel*") if path.is_file()]


@pytest.fixture
def begun(tmp_path: Path, hostile_dir: SweepDir) -> subprocess.Popen[str]:
    """`perflab report` of the only sweep in `tmp_path`/runs, whose kernel has begun to start."""
    shutil.copytree(hostile_dir.path, tmp_path / "runs" / hostile_dir.id)
    report = subprocess.Popen(
        [sys.executable, "-m", "perflab", "report", "latest", "--runs-dir", str(tmp_path / "runs")],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    # The kernel's file is written when its folder is there already.
    while not list(tmp_path.glob("perflab-*/.perflab-kernel-*/kernel.json")):
        assert time.monotonic() < deadline
        assert report.poll() is None
        time.sleep(0.02)
    assert list(tmp_path.glob("runs/*/.perflab-report-*"))
    return report


def test_a_report_that_is_killed_leaves_nothing_to_the_next_command(
    tmp_path: Path, begun: subprocess.Popen[str]
) -> None:
    begun.kill()
    begun.communicate()
    listed = [sys.executable, "-m", "perflab", "list", "--runs-dir", str(tmp_path / "runs")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run(listed, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert not list(tmp_path.glob("runs/*/.perflab-report-*"))
    assert not list(tmp_path.glob("perflab-*/.*"))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_report_that_is_interrupted_ends_in_one_line_and_leaves_nothing(
    tmp_path: Path, begun: subprocess.Popen[str], sent: signal.Signals, code: int
) -> None:
    # The second comes while the kernel answers.
    time.sleep(0 if sent == signal.SIGINT else 2)
    begun.send_signal(sent)
    _, said = begun.communicate(timeout=60)
    assert (begun.returncode, said.count("\n")) == (code, 1), said
    assert not [path for path in tmp_path.rglob(".*") if path.is_file() or path.name.startswith(".perflab")]
    assert not [process for process in psutil.process_iter() if str(tmp_path) in " ".join(_words(process))]


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def test_a_notebook_leaves_signals_to_whoever_handles_them(tmp_path: Path) -> None:
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    mine = {number: signal.getsignal(number) for number in before}
    try:
        run_notebook(write_notebook(tmp_path / "plain.ipynb", "x = 1"), tmp_path / "out.ipynb")
        assert {number: signal.getsignal(number) for number in before} == mine
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
