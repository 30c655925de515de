"""Is every finished request recorded? Short runs with slow answers at their end, over and over.

    python -m benchmarks.loss [--runs 50] [--csv losses.csv]

Each run: `--processes 2`, answers that take 2 s, users that ask again at once, and a stop in their middle. The server's
own log of what it has answered is the truth; beside it stands what Locust's report tells of.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import perflab
from benchmarks.figures import machine, write_csv

LOCUSTFILE = """
from locust import FastHttpUser, constant, task
class Impatient(FastHttpUser):
    wait_time = constant(0.05)
    @task
    def ask(self): self.client.get("/")
"""


SERVER = ("-m", "perflab.calibration.server", "--port", "{port}", "--distribution", "constant:2000")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: requests that the server answered, that were recorded, and that Locust's own report tells of."""

    run: int
    answered: int
    recorded: int
    in_locusts_report: int
    verdict: str
    whole: bool


def one_run(number: int, folder: Path) -> Outcome:
    """Run once and compare with the server's log."""
    locustfile, log = folder / "locustfile.py", folder / f"answered-{number}.csv"
    locustfile.write_text(LOCUSTFILE, encoding="utf-8")
    sweep = perflab.sweep(
        launch=shlex.join([sys.executable, *SERVER, "--log", str(log)]),
        locustfile=locustfile,
        users=20,
        spawn_rate=20,
        # Other moments of the answers' two seconds from run to run.
        duration=3 + number % 2,
        processes=2,
        label=f"loss-{number}",
        runs_dir=folder / "runs",
        progress="none",
        report=False,
    )
    evidence = sweep.run_manifests[0].evidence
    with log.open(encoding="utf-8", newline="") as file:
        answered = sum(1 for _ in csv.DictReader(file))
    clients = sweep.latency[sweep.latency["measure"] == "client"]
    recorded = int(clients["count"].sum())
    return Outcome(
        number,
        answered,
        recorded,
        evidence.locust_total or 0,
        sweep.verdict,
        whole=answered == recorded == evidence.requests_finished and sweep.verdict == "PASS",
    )


def main() -> None:
    """Print a line a run and the count of whole ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    os.environ |= {"LOAD_TEST_SETTLE_SECONDS": "1", "LOAD_TEST_TIMEOUT": "5"}
    print(machine())
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="perflab-loss-") as folder:
        for number in range(1, arguments.runs + 1):
            outcomes.append(one_run(number, Path(folder)))
            print(outcomes[-1], flush=True)
    print(f"{sum(outcome.whole for outcome in outcomes)} of {len(outcomes)} runs are whole")
    if arguments.csv:
        write_csv(arguments.csv, [asdict(outcome) for outcome in outcomes])


if __name__ == "__main__":
    main()
