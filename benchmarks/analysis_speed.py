"""What reading, judging, listing and reporting recorded sweeps costs: CPU seconds and peak memory of fresh processes.

    python -m benchmarks.analysis_speed [--csv figures.csv] [--rounds 5] [--seconds 300] [--only many]

The sweep has 4 levels of 300 s, about half a million requests in the steady windows; a large one has 20 times as many.
Each measurement is the median of several child processes; CPU is user and system time with all imports, bytecode
compiled beforehand as in any installation that has run once. What is held against each other takes turns, so that
whatever else the machine does hits all alike. This process itself stays small, because a child's peak memory starts at
its parent's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import machine, write_csv

ROOT = Path(__file__).resolve().parent.parent

ANALYSE = """
import pathlib, sys
from perflab.analyse.sweep import Sweep
from perflab.results.sweep import build
from perflab.store.layout import find_sweep
document = build(Sweep.open(find_sweep(pathlib.Path(sys.argv[1]), "latest")))
document.to_json()
assert document.verdict == "PASS", document.reasons
"""
PLAIN_READ = """
import pathlib, sys
import pandas
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*/latency.csv")):
    pandas.read_csv(path)
"""
LIST = """
import sys
import perflab
assert len(perflab.list_sweeps(sys.argv[1])) == int(sys.argv[2])
"""
SWEEPS = 1000
IMPORT_ONLY = "import perflab.results.sweep"
REPORT = """
import json, sys
import nbconvert, papermill
notebook, output, parameters = sys.argv[1:]
papermill.execute_notebook(
    notebook, output, json.loads(parameters), progress_bar=False, kernel_name="python3", language="python"
)
page, _ = nbconvert.HTMLExporter().from_filename(output)
assert "Traceback" not in page
"""
# What a notebook costs at the least: pandas, matplotlib and as many charts as a report may well have.
PLAIN_CELLS = (
    "import matplotlib.pyplot as plt\nimport pandas as pd\nframe = pd.DataFrame({'x': range(100), 'y': range(100)})",
    *["frame.plot(x='x', y='y');"] * 6,
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """Medians over `rounds` fresh processes, children of theirs included."""

    what: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    rounds: int
    goal: str


def measure(what: str, arguments: Sequence[str], environment: dict[str, str], rounds: int, goal: str) -> Measurement:
    """Run a Python process `rounds` times, after one run that does not count, and return its medians."""
    [measured] = measure_in_turn([(what, arguments, goal)], environment, rounds)
    return measured


def measure_in_turn(
    processes: Sequence[tuple[str, Sequence[str], str]], environment: dict[str, str], rounds: int
) -> list[Measurement]:
    """Run Python processes (what, arguments, goal) `rounds` times, one after the other, and return their medians."""
    costs = [[_run(arguments, environment) for _, arguments, _ in processes] for _ in range(rounds + 1)][1:]
    measured = []
    for (what, _, goal), of_process in zip(processes, zip(*costs, strict=True), strict=True):
        cpu_s, wall_s, peak_mb = (statistics.median(values) for values in zip(*of_process, strict=True))
        measured.append(Measurement(what, round(cpu_s, 3), round(wall_s, 3), round(peak_mb, 1), rounds, goal))
    return measured


def _run(arguments: Sequence[str], environment: dict[str, str]) -> tuple[float, float, float]:
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(arguments[:2])} ended with exit code {child.returncode}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / unit


def measure_analysis(runs_dir: Path, environment: dict[str, str], rounds: int) -> list[Measurement]:
    """Measure everything that ``perflab show --json`` needs of a sweep, and the imports alone."""
    return [
        measure("import perflab.analyse", ["-c", IMPORT_ONLY], environment, rounds, ""),
        measure("open, summarise, judge", ["-c", ANALYSE, str(runs_dir)], environment, rounds, "< 1.5 s, < 300 MB"),
    ]


def measure_many(folder: Path, seconds: int, environment: dict[str, str], rounds: int) -> list[Measurement]:
    """Measure ten million requests, beside a plain reading of the same files, and a thousand sweeps."""
    large, many = folder / "large", folder / "many"
    record_sweep(large, seconds, environment, "--per-user", "18")
    record_sweep(many, 5, environment, "--users", "20,40")
    copy_sweep(many, SWEEPS)
    return measure_in_turn(
        [
            ("10 million: pandas.read_csv", ["-c", PLAIN_READ, str(large)], ""),
            ("10 million: shown", ["-c", ANALYSE, str(large)], "1.0 x read_csv, < 300 MB"),
            ("1000 sweeps listed", ["-c", LIST, str(many), str(SWEEPS)], "< 1 s"),
        ],
        environment,
        rounds,
    )


def copy_sweep(runs_dir: Path, count: int) -> None:
    """Copy the one sweep in a folder until there are `count`."""
    [sweep] = runs_dir.iterdir()
    for number in range(1, count):
        copy = runs_dir / f"20260101T{number // 3600:02}{number // 60 % 60:02}{number % 60:02}Z-copy"
        shutil.copytree(sweep, copy)
        manifest = copy / "sweep.json"
        manifest.write_text(manifest.read_text(encoding="utf-8").replace(sweep.name, copy.name), encoding="utf-8")


def measure_report(folder: Path, runs_dir: Path, environment: dict[str, str], rounds: int) -> list[Measurement]:
    """Measure papermill plus nbconvert on a plain notebook with six plots and on the sweep's notebook."""
    import nbformat

    plain, output = folder / "plain.ipynb", str(folder / "out.ipynb")
    cells = [nbformat.v4.new_code_cell(source) for source in PLAIN_CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), plain)
    parameters = json.dumps({"sweep_id": "latest", "runs_dir": str(runs_dir)})
    notebook = ROOT / "notebooks" / "sweep.ipynb"
    return [
        measure("report: plain notebook", ["-c", REPORT, str(plain), output, "{}"], environment, rounds, ""),
        measure(
            "report: notebooks/sweep",
            ["-c", REPORT, str(notebook), output, parameters],
            environment,
            rounds,
            "1.6 x plain",
        ),
    ]


def record_sweep(runs_dir: Path, seconds: int, environment: dict[str, str], *more: str) -> None:
    """Write a sweep that is measured, in a process of its own."""
    _run(["-m", "benchmarks.recorded_sweep", str(runs_dir), "--seconds", str(seconds), *more], environment)


def main() -> None:
    """Measure, print a table, and write it as CSV where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=300, help="steady state of each level")
    parser.add_argument("--only", choices=["many"], help="leave out all but ten million requests and 1000 sweeps")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder, "bytecode"))
        measured = measure_many(Path(folder), options.seconds, environment, options.rounds)
        if not options.only:
            runs_dir = Path(folder, "runs")
            record_sweep(runs_dir, options.seconds, environment)
            measured += measure_analysis(runs_dir, environment, options.rounds)
            measured += measure_report(Path(folder), runs_dir, environment, options.rounds)
    print(f"{machine()}\n4 levels x {options.seconds} s, median of {options.rounds} rounds\n")
    print(f"{'':<28}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}  goal")
    for of_process in measured:
        figures = f"{of_process.cpu_s:>8.2f}{of_process.wall_s:>8.2f}{of_process.peak_mb:>9.0f}"
        print(f"{of_process.what:<28}{figures}  {of_process.goal}")
    plain, shown = measured[:2]
    print(f"\n10 million shown: {shown.cpu_s / plain.cpu_s:.2f} x the CPU of read_csv")
    if not options.only:
        plain, report = measured[-2:]
        cpu, wall = report.cpu_s / plain.cpu_s, report.wall_s / plain.wall_s
        print(f"report: {cpu:.2f} x the CPU and {wall:.2f} x the time of plain")
    if options.csv:
        write_csv(options.csv, [asdict(of_process) for of_process in measured])


if __name__ == "__main__":
    main()
