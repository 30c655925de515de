"""Do four workers started by hand, with perflab as their master, tell the same as one process?

    python -m benchmarks.distributed [--pairs 3] [--users 200] [--seconds 20]

Both load the reference API, whose groups get a fixed latency on top, with the Platform API suite, one after the other
in alternating order. The workers are started as docs/LOAD_TESTING.md says. Printed: requests/s and percentiles of each,
and how far the four are from the one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pandas as pd

import perflab
from perflab.drive.target import free_port

ROOT = Path(__file__).parents[1]
API = "python -m load_tests.platform_api --port {port} --latency auth=40,generation=60,payments=80"
WORKERS = 4
FIGURES = ("rps", "p50_ms", "p95_ms", "p99_ms")


@contextlib.contextmanager
def workers(port: int, number: int) -> Iterator[None]:
    """Workers started by hand, for one run."""
    command = [sys.executable, "-m", "locust", "-f", "load_tests/locustfile.py", "--worker"]
    with contextlib.ExitStack() as children:
        for _ in range(number):
            child = subprocess.Popen(
                [*command, "--master-host", "127.0.0.1", "--master-port", str(port)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            children.callback(child.wait, 30)
        yield


def measure(runs: Path, users: int, seconds: int, by: int) -> pd.DataFrame:
    """The figures of a run by so many workers, or by one process for 0."""
    port = free_port()
    with workers(port, by):
        sweep = perflab.sweep(
            launch=API,
            users=users,
            spawn_rate=50,
            duration=seconds,
            expect_workers=by or None,
            master_bind=f"127.0.0.1:{port}",
            runs_dir=runs,
            label=f"by-{by or 1}",
            progress="none",
            report=False,
        )
    assert set(sweep.runs["validity"]) == {"valid"}, sweep.reasons
    sources = sweep.latency["source"].nunique()
    assert sources == (by or 1), sources
    return sweep.groups.set_index("group")[list(FIGURES)]


def main() -> None:
    """Measure the pairs and print what they say."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    os.chdir(ROOT)
    found: dict[int, list[pd.DataFrame]] = {0: [], WORKERS: []}
    with tempfile.TemporaryDirectory() as folder:
        for pair in range(options.pairs):
            for by in (0, WORKERS) if pair % 2 == 0 else (WORKERS, 0):
                found[by].append(measure(Path(folder), options.users, options.seconds, by))
    print(f"{options.users} users, {options.seconds} s, {options.pairs} pairs; medians over the pairs, wire clock")
    print(f"{'group':12}{'figure':10}{'1 process':>12}{f'{WORKERS} workers':>12}{'apart':>9}   each pair")
    for group in found[0][0].index:
        for figure in FIGURES:
            one, four = ([float(frame.loc[group, figure]) for frame in found[by]] for by in (0, WORKERS))
            each = ", ".join(f"{b / a - 1:+.1%}" for a, b in zip(one, four, strict=True))
            apart = median(four) / median(one) - 1
            print(f"{group:12}{figure:10}{median(one):12.2f}{median(four):12.2f}{apart:+9.1%}   {each}")


if __name__ == "__main__":
    main()
