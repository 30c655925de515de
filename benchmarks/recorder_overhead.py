"""What recording costs the load generator: CPU a request with perflab's recorder and without, and memory.

    python -m benchmarks.recorder_overhead [--pairs 24] [--seconds 4] [--csv F]
    python -m benchmarks.recorder_overhead --memory

Users of FastHttpUser, Locust's fastest client, ask a server that answers at once, without think time. Each pair is a
run with the recorder, started as perflab starts it, and one without; which comes first alternates, so that a machine
that grows slower or faster favours neither. Inside Locust, the same lines of the locustfile read the CPU time (user
and system, all threads) and the count of requests at both ends of an interval in which all users run.

What the recorder adds is the median over the pairs of the difference, with a 95 % interval by order statistics, which
takes nothing for granted about the noise of the machine. Medians and minima of both kinds of runs stand beside it.

`--memory` compares the peaks of two recorded runs, one of them with ten times the requests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy.stats import binom

from benchmarks.figures import machine, write_csv
from perflab.drive.child import Child
from perflab.drive.locust import locust_environment, run_command
from perflab.drive.run import Lane, execute_run
from perflab.drive.target import Target, open_target
from perflab.plan.plan import Plan
from perflab.store.layout import RunDir
from perflab.store.manifest import RunManifest

ROOT = Path(__file__).resolve().parent.parent
USERS = 20
# Connections are opened and code is warm before the interval begins.
SETTLE_S = 1.0
# Nothing but the locustfile ends a run, so that both kinds of runs are as long.
LONG_S = 3600.0
MEMORY_REQUESTS = (100_000, 1_000_000)
MEMORY_GOAL_MB = 50
UNCERTAINTY_GOAL = 0.02

LOCUSTFILE = """
import json
import os
import time
from pathlib import Path

import gevent
from locust import FastHttpUser, constant, events, task

SETTLE_S, SECONDS = float(os.environ["OVERHEAD_SETTLE"]), float(os.environ["OVERHEAD_SECONDS"])
REQUESTS = float(os.environ["OVERHEAD_REQUESTS"])
RESULT = Path(os.environ["OVERHEAD_RESULT"])
found = {}


class User(FastHttpUser):
    wait_time = constant(0)

    @task
    def get(self):
        self.client.get("/")


@events.init.add_listener
def on_init(environment, **_):
    environment.events.spawning_complete.add_listener(lambda **_: gevent.spawn(measure, environment))


def measure(environment):
    total = environment.stats.total
    gevent.sleep(SETTLE_S)
    cpu, requests, began = time.process_time(), total.num_requests, time.monotonic()
    while time.monotonic() - began < SECONDS and total.num_requests < REQUESTS:
        gevent.sleep(0.02)
    found["cpu_s"] = time.process_time() - cpu
    found["wall_s"] = time.monotonic() - began
    found["requests"] = total.num_requests - requests
    found["failed"] = total.num_failures
    environment.runner.quit()


@events.quit.add_listener
def on_quit(**_):
    # As late as can be: what is written at the end takes memory too.
    status = Path("/proc/self/status").read_text()
    found["peak_mb"] = int(status.split("VmHWM:")[1].split()[0]) / 1024
    RESULT.write_text(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the generator used between two moments of one run; the peak is that of the process's whole life."""

    cpu_s: float
    wall_s: float
    requests: int
    failed: int
    peak_mb: float

    @property
    def cpu_us(self) -> float:
        """CPU in microseconds a request."""
        return 1e6 * self.cpu_s / self.requests


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs, one right after the other; CPU in microseconds a request."""

    number: int
    first: str
    plain_us: float
    recorded_us: float
    plain_requests: int
    recorded_requests: int
    ratio: float


class Bench:
    """A server that answers at once, and runs of Locust against it."""

    def __init__(self, folder: Path, plan: Plan, target: Target) -> None:
        self._folder = folder
        self._plan = plan
        self._target = target
        self._runs = 0

    def run(self, *, recorded: bool, seconds: float | None = None, requests: int | None = None) -> Cost:
        """Run Locust until `seconds` after settling, or `requests` in all, and return its cost."""
        self._runs += 1
        result, run = self._folder / "result.json", RunDir(self._folder / f"run-{self._runs}")
        result.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "OVERHEAD_SETTLE": str(SETTLE_S if requests is None else 0.0),
            "OVERHEAD_SECONDS": str(seconds or LONG_S),
            "OVERHEAD_REQUESTS": str(requests or math.inf),
            "OVERHEAD_RESULT": str(result),
        }
        if recorded:
            manifest = RunManifest(sweep_id="overhead", level=self._plan.levels[0], repeat=1, plan=self._plan, seed=1)
            execute_run([Lane(run, manifest, self._target, manifest.plan)], environment, lambda *_: None)
        else:
            self._run_plain(run, environment)
        if not result.is_file():
            raise SystemExit(
                f"Locust told nothing, its log ends:\n{run.locust_log.read_text(encoding='utf-8')[-2000:]}"
            )
        cost = Cost(**json.loads(result.read_text(encoding="utf-8")))
        if cost.failed or not cost.requests:
            raise SystemExit(f"{cost.failed} of {cost.requests} requests failed")
        return cost

    def _run_plain(self, run: RunDir, environment: dict[str, str]) -> None:
        run.path.mkdir()
        command = run_command(self._plan, self._plan.levels[0], self._target.host, run)
        # All the rest is as it is with the recorder, Locust's own CSV files and report included.
        command = [command[0], "-m", "locust", *command[command.index("-f") :]]
        with run.locust_log.open("wb") as log:
            locust = Child(
                command, environment=locust_environment(environment), cwd=ROOT, output=log.fileno(), grace_s=2.0
            )
        try:
            locust.wait(LONG_S)
        finally:
            locust.stop("KILL")


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """Yield a bench whose server runs and whose files are in a folder that goes away."""
    with tempfile.TemporaryDirectory() as name:
        locustfile = Path(name, "locustfile.py")
        locustfile.write_text(LOCUSTFILE, encoding="utf-8")
        plan = Plan(
            host=None,
            launch="python -m perflab.calibration.server --port {port} --immediate",
            locustfile=locustfile,
            users=(USERS,),
            spawn_rate=USERS,
            duration_s=LONG_S,
            settle_s=SETTLE_S,
        )
        with open_target(plan, os.environ, ROOT) as target:
            yield Bench(Path(name), plan, target)


def measure_pairs(pairs: int, seconds: float) -> list[Pair]:
    """Measure pairs of runs and print each."""
    found = []
    print(f"{'pair':>4}  {'first':<9}{'plain us':>9}{'recorded us':>13}{'ratio':>8}{'requests plain, recorded':>28}")
    with bench() as generator:
        for number in range(1, pairs + 1):
            first = "recorded" if number % 2 else "plain"
            costs = {}
            for kind in (first, "plain" if first == "recorded" else "recorded"):
                costs[kind] = generator.run(recorded=kind == "recorded", seconds=seconds)
            plain, recorded = costs["plain"], costs["recorded"]
            ratio = recorded.cpu_us / plain.cpu_us
            one = Pair(number, first, plain.cpu_us, recorded.cpu_us, plain.requests, recorded.requests, ratio)
            print(
                f"{number:>4}  {first:<9}{one.plain_us:>9.1f}{one.recorded_us:>13.1f}{one.ratio:>8.3f}"
                f"{one.plain_requests:>18}{one.recorded_requests:>10}",
                flush=True,
            )
            found.append(one)
    return found


def print_summary(pairs: Sequence[Pair], seconds: float) -> None:
    """Print what the recorder adds to a request, and how sure that is."""
    plain, recorded = [pair.plain_us for pair in pairs], [pair.recorded_us for pair in pairs]
    title = f"CPU a request in us, {len(pairs)} pairs of {seconds:g} s"
    print(f"\n{title:<45}{'plain':>9}{'recorded':>10}{'adds':>8}{'ratio':>8}")
    for name, figure in (("median", statistics.median), ("minimum", min)):
        without, with_it = figure(plain), figure(recorded)
        print(f"{name:<45}{without:>9.1f}{with_it:>10.1f}{with_it - without:>8.1f}{with_it / without:>8.3f}")
    added, added_low, added_high = median_interval([pair.recorded_us - pair.plain_us for pair in pairs])
    ratio, low, high = median_interval([pair.ratio for pair in pairs])
    print(
        f"The recorder adds {added:.1f} us ({added_low:.1f} to {added_high:.1f}), a ratio of {ratio:.3f} ({low:.3f} to "
        f"{high:.3f}): medians of the pairs with 95 % intervals"
    )
    if (high - low) / 2 > UNCERTAINTY_GOAL:
        print(f"That is not known to within {100 * UNCERTAINTY_GOAL:g} %: take more --pairs, or a quieter machine")


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return a sample's median and the bounds that hold the population's with 95 %; infinite where it is too small."""
    ascending = sorted(values)
    # So many values lie below the population's median, or fewer, in 2.5 % of all samples.
    rank = int(binom.ppf(0.025, len(ascending), 0.5))
    if not rank:
        return statistics.median(ascending), -math.inf, math.inf
    return statistics.median(ascending), ascending[rank - 1], ascending[-rank]


def measure_memory(requests: tuple[int, ...]) -> list[Cost]:
    """Measure the peak of a recorded run a count of requests and print each."""
    found = []
    print(f"{'requests':>10}{'seconds':>9}{'peak MB':>9}")
    with bench() as generator:
        for wanted in requests:
            cost = generator.run(recorded=True, requests=wanted)
            print(f"{cost.requests:>10}{cost.wall_s:>9.1f}{cost.peak_mb:>9.1f}", flush=True)
            found.append(cost)
    return found


def main() -> None:
    """Measure, print, and write a CSV file where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=4, help="of the interval that is measured in each run")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of CPU; takes about ten minutes")
    parser.add_argument(
        "--requests", type=int, nargs="+", default=MEMORY_REQUESTS, help="counts of requests for --memory"
    )
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    print(f"{machine()}\n{USERS} FastHttpUsers without think time, answers at once\n")
    if options.memory:
        costs = measure_memory(tuple(options.requests))
        grown = costs[-1].peak_mb - costs[0].peak_mb
        print(
            f"\n{grown:+.1f} MB from {costs[0].requests} to {costs[-1].requests} requests; goal: < {MEMORY_GOAL_MB} MB"
        )
    else:
        pairs = measure_pairs(options.pairs, options.seconds)
        print_summary(pairs, options.seconds)
    if options.csv:
        write_csv(options.csv, [asdict(row) for row in (costs if options.memory else pairs)])


if __name__ == "__main__":
    main()
