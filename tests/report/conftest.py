"""A recorded sweep with hostile request names, and its report, each made once."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.sweep import Sweep
from perflab.report import render
from perflab.store.layout import SweepDir

HOSTILE = {
    "/api/v1/payments/create": "<script>document.title='hacked'</script>",
    "/api/v1/payments": "<img src=x onerror=\"document.title='hacked'\">",
    "/api/v1/generation/list": "/a/$x^{/$y",
    "/health": "_under & \"quoted\" 'name'",
}
MESSAGE = "<b onclick=alert(1)>boom</b> $x^{"


def write_hostile_sweep(runs_dir: Path) -> SweepDir:
    """Record a small sweep whose request names and messages try to break out of a page or a chart."""
    load = Load(users=(20, 40), seconds=10, spawn_rate=50, failure_rate=0.03)
    sweep_dir = write_recorded_sweep(runs_dir, load, label="hostile")
    for path in (*sweep_dir.path.glob("*/latency.csv"), *sweep_dir.path.glob("*/failures.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        name = head.index("name")
        for row in rows:
            row[name] = HOSTILE.get(row[name], row[name])
            if "message" in head:
                row[head.index("message")] = MESSAGE
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])
    return sweep_dir


@pytest.fixture(scope="session")
def hostile_dir(tmp_path_factory: pytest.TempPathFactory) -> SweepDir:
    return write_hostile_sweep(tmp_path_factory.mktemp("hostile") / "runs")


@pytest.fixture(scope="session")
def hostile_sweep(hostile_dir: SweepDir) -> Sweep:
    return Sweep.open(hostile_dir)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory, hostile_dir: SweepDir) -> SweepDir:
    """The hostile sweep with its report, written in a foreign folder; the installed kernel and IPython fail."""
    place = tmp_path_factory.mktemp("rendered") / "runs" / hostile_dir.id
    shutil.copytree(hostile_dir.path, place)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    kernel = elsewhere / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["/nowhere/python", "{connection_file}"], "display_name": "x", "language": "python"}')
    startup = elsewhere / "profile_default" / "startup" / "mine.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("import os\nos._exit(9)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        patch.setenv("JUPYTER_PATH", str(elsewhere))
        patch.setenv("IPYTHONDIR", str(elsewhere))
        assert render(Sweep.open(SweepDir(place))) == place / "report.html"
    return SweepDir(place)
