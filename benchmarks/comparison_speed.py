"""What ``perflab compare --no-report`` costs: CPU seconds and peak memory of the whole command.

    python -m benchmarks.comparison_speed [--rounds 5] [--repeats 20] [--seconds 20]

Two sweeps of 4 user counts, 3 groups of endpoints and 20 repeats of 20 s each, as the recorder would have recorded
them: 80 runs a sweep, 160 together. CPU is user and system time with all imports, bytecode compiled beforehand as in
any installation that has run once. This process itself stays small, because a child's peak memory starts at its
parent's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
from pathlib import Path

from benchmarks.analysis_speed import measure
from benchmarks.figures import machine

USERS = (100, 250, 500, 1000)
SLOWDOWNS = {"before": 1.0, "after": 1.2}
# What perflab ab spawns with; at perflab sweep's own 10/s these runs would ramp up for longer than they measure.
SPAWN_RATE = 100.0

COMPARE = """
import sys
from perflab.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 1, "the candidate's payments are slower: that is a FAIL"
"""


def record(runs_dir: Path, repeats: int, seconds: int) -> None:
    """Write both sweeps."""
    from benchmarks.recorded_sweep import Load, write_recorded_sweep

    for system, (label, slowdown) in enumerate(SLOWDOWNS.items()):
        load = Load(
            users=USERS,
            repeats=repeats,
            seconds=seconds,
            spawn_rate=SPAWN_RATE,
            wire=True,
            run_cv=0.05,
            system=system,
            slowdown={"payments": slowdown},
        )
        write_recorded_sweep(runs_dir, load, label=label)


def main() -> None:
    """Record two sweeps, compare them several times, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=20, help="steady state of each run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder, "bytecode"))
        runs_dir = Path(folder, "runs")
        recording = multiprocessing.get_context("spawn").Process(
            target=record, args=(runs_dir, options.repeats, options.seconds)
        )
        recording.start()
        recording.join()
        ids = [next(runs_dir.glob(f"*-{label}")).name for label in SLOWDOWNS]
        rows = sum(path.read_bytes().count(b"\n") - 1 for path in runs_dir.glob("*/*/latency.csv"))
        arguments = ["-c", COMPARE, "compare", *ids, "--no-report", "--runs-dir", str(runs_dir)]
        cost = measure("perflab compare --no-report", arguments, environment, options.rounds, "< 4 s")
    runs = 2 * len(USERS) * options.repeats
    print(f"{machine()}\n{runs} runs of {options.seconds} s, {rows} rows of latency.csv, median of {options.rounds}\n")
    print(f"{'':<28}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}  goal")
    print(f"{cost.what:<28}{cost.cpu_s:>8.2f}{cost.wall_s:>8.2f}{cost.peak_mb:>9.0f}  {cost.goal}")


if __name__ == "__main__":
    main()
