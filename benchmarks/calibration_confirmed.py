"""Whether a calibration's ceiling is true: an ordinary sweep below it must be valid, one beyond it INVALID.

    python -m benchmarks.calibration_confirmed [--client HttpUser] [--runs-dir runs] [--seconds 12] [--csv F]

Reads runs/calibration.json, or calibrates first where there is none. Then such users as in the calibration ask the same
server from one Locust process, 0.9 and 1.6 times as many as the ceiling. The first run must be valid with percentiles
within 1 % (or 0.5 ms) of what the server drew, the second INVALID for saturation; else the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from benchmarks.figures import machine, write_csv
from benchmarks.measurement_truth import Case, measure
from perflab.calibration.calibration import calibrate
from perflab.store.calibration import Ceiling, Client, read_calibration

BELOW, BEYOND = 0.9, 1.6


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One run beside what the ceiling foretold of it.

    `offered` is the share of the intended load, `errors` the wire clock's p50, p95 and p99 against what the server
    drew, in per cent, and `within` whether all of them are within 1 % or 0.5 ms.
    """

    factor: float
    users: int
    requests_per_s: float
    offered: float
    generator_cores: float
    errors: str
    within: bool
    validity: str
    expected: str
    reasons: str

    @property
    def came_true(self) -> bool:
        """Whether the run is as foretold; beyond the ceiling for the right reason."""
        if self.expected == "valid":
            return self.validity == "valid" and self.within
        return self.validity == "invalid" and "saturated" in self.reasons


def confirm(ceiling: Ceiling, seconds: float) -> list[Confirmation]:
    """Run a sweep of two levels, below and beyond the ceiling."""
    levels = {round(factor * ceiling.users): factor for factor in (BELOW, BEYOND)}
    sweep, figures = measure(Case("calibration", ceiling.client, "--distribution lognormal"), [*levels], seconds)
    health = sweep.health.set_index("run")
    found = []
    for run in sweep.runs.to_dict("records"):
        users = run["level"].users
        of_run = [figure for figure in figures if figure.users == users]
        found.append(
            Confirmation(
                factor=levels[users],
                users=users,
                requests_per_s=round(run["rps"], 1),
                offered=round(float(health.loc[run["run"], "achieved_load"]), 4),
                generator_cores=round(float(health.loc[run["run"], "cpu_percent"]) / 100, 2),
                errors=" ".join(f"{figure.off(figure.wire_ms):+.2f}" for figure in of_run),
                within=all(figure.within_goal for figure in of_run),
                validity=run["validity"],
                expected="valid" if levels[users] < 1 else "invalid",
                reasons=run["reasons"],
            )
        )
    return found


def print_confirmations(ceiling: Ceiling, found: Sequence[Confirmation]) -> None:
    """Print a row a run."""
    print(f"ceiling of {ceiling.client}: {ceiling.users} users, {ceiling.requests_per_s:.0f} requests/s")
    print(
        f"{'x ceiling':>9}{'users':>8}{'requests/s':>12}{'offered':>9}{'cores':>7}  {'p50 p95 p99 off, %':<20}"
        f"{'expected':<10}{'found':<10}"
    )
    for one in found:
        print(
            f"{one.factor:>9g}{one.users:>8}{one.requests_per_s:>12.1f}{one.offered:>9.3f}{one.generator_cores:>7.2f}"
            f"  {one.errors:<20}{one.expected:<10}{one.validity:<10}"
            f"{'as foretold' if one.came_true else 'NOT AS FORETOLD'}"
        )
        if one.reasons:
            print(f"          {one.reasons}")


def main() -> int:
    """Confirm one ceiling; the exit code is 1 if it isn't true."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", choices=get_args(Client), default="HttpUser")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--seconds", type=float, default=12, help="steady state of each run")
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    calibration = read_calibration(options.runs_dir)
    if calibration is None:
        calibration = calibrate(options.runs_dir, 1, say=lambda line: print(line, file=sys.stderr, flush=True))
    ceiling = next(one for one in calibration.ceilings if one.client == options.client and one.processes == 1)
    if not ceiling.users or ceiling.at_least:
        parser.error(
            f"no ceiling of {options.client} is known that could be confirmed: calibrate again when it is quiet"
        )
    found = confirm(ceiling, options.seconds)
    print(f"{machine()}\n")
    print_confirmations(ceiling, found)
    if options.csv:
        write_csv(options.csv, [asdict(one) for one in found])
    return 0 if all(one.came_true for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
