"""How near each clock comes to the truth, against a server whose latencies are known.

    python -m benchmarks.measurement_truth [--users 1000] [--seconds 30] [--cases all] [--csv F] [--chart F]

The truth is what perflab.calibration.server drew for the requests that arrived in the judged window. Held against it
are the wire clock and the client clock of latency.csv, and Locust's own locust_stats.csv (which knows no window:
ramp-up is in it). Users wait 1 to 3 s between requests, so 1000 users make about 475 requests a second.

Cases: `truth` is two clients by four kinds of answers, each also by its own name (HttpUser-https, say); `saturation`
is 50 users without think time and a server that answers at once; `load` is more and more users. `--chart` draws the
last one.
"""

from __future__ import annotations

import argparse
import math
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import perflab
from benchmarks.figures import machine, write_csv
from perflab.analyse.sweep import Sweep
from perflab.calibration.server import CERTIFICATE
from perflab.chart.style import (
    INK,
    OKABE_ITO,
    Chart,
    canvas,
    end_labels,
    latency_axis,
    level_axis,
    number,
    styled,
    tint,
)
from perflab.drive.target import free_port
from perflab.plan.parse import parse_users
from perflab.vocabulary.level import Level

PERCENTILES = (50, 95, 99)
SPAWN_RATE = 100
# What the wire clock is to keep to: 1 % of the drawn percentile or 0.5 ms, whichever is larger.
GOAL_SHARE, GOAL_MS = 0.01, 0.5
MIN_REQUESTS = 12_000
LOAD_USERS = "100,250,500,1000,1500,2000"
LOAD_SECONDS = 12
SATURATION_USERS = 50

# Each HTTPS user would load all the certificates of the system, 30 ms of CPU; the server's own one is enough.
LOCUSTFILES = {
    "HttpUser": """
from locust import HttpUser, between, constant, task


class User(HttpUser):
    wait_time = {wait}

    @task
    def get(self):
        self.client.get("/", verify={certificate!r})
""",
    "FastHttpUser": """
import gevent.ssl
from locust import FastHttpUser, between, constant, task


def trusting(cafile=None):
    return gevent.ssl.create_default_context(cafile={certificate!r})


class User(FastHttpUser):
    wait_time = {wait}
    connection_timeout = network_timeout = 60.0
    insecure = False
    ssl_context_factory = staticmethod(trusting)

    @task
    def get(self):
        self.client.get("/")
""",
}
WAIT, NO_WAIT = "between(1, 3)", "constant(0)"


@dataclass(frozen=True, slots=True)
class Case:
    """One way to answer and one client that asks."""

    name: str
    client: str
    server: str
    wait: str = WAIT
    scheme: str = "http"


KINDS = {
    "lognormal": ("--distribution lognormal", "http"),
    "bimodal": ("--distribution bimodal", "http"),
    "https": ("--distribution lognormal --tls", "https"),
    "pieces": ("--distribution lognormal --pieces 5 --gap 3", "http"),
}
TRUTH = tuple(
    Case(f"{client}-{kind}", client, server, scheme=scheme)
    for client in ("HttpUser", "FastHttpUser")
    for kind, (server, scheme) in KINDS.items()
)
SATURATION = Case("saturation", "HttpUser", "--immediate", NO_WAIT)
LOAD = Case("load", "HttpUser", "--distribution lognormal")
CASES = {case.name: case for case in (*TRUTH, SATURATION, LOAD)}


@dataclass(frozen=True, slots=True)
class Figure:
    """One percentile of one run by every clock, in ms; NaN where there is no such clock.

    `drawn_ms` is the truth, `served_ms` what the server took from reading a request to writing its answer.
    `requests` are those of the truth, `on_the_wire` those that the wire clock measured.
    """

    case: str
    users: int
    percentile: int
    requests: int
    on_the_wire: int
    drawn_ms: float
    served_ms: float
    wire_ms: float
    client_ms: float
    locust_csv_ms: float
    verdict: str

    def off(self, measured_ms: float) -> float:
        """Return by how much a clock is off the truth, in per cent."""
        return 100 * (measured_ms / self.drawn_ms - 1) if self.drawn_ms else math.nan

    @property
    def within_goal(self) -> bool | None:
        """Whether the wire clock is as near as it should be; None without a wire clock or a truth."""
        if math.isnan(self.wire_ms) or not self.drawn_ms:
            return None
        return abs(self.wire_ms - self.drawn_ms) <= max(GOAL_SHARE * self.drawn_ms, GOAL_MS)


def measure(case: Case, users: Sequence[int], seconds: float) -> tuple[Sweep, list[Figure]]:
    """Run a sweep of one case; return it and a figure a run and percentile."""
    with tempfile.TemporaryDirectory() as folder:
        log, locustfile = Path(folder, "truth.csv"), Path(folder, "locustfile.py")
        source = LOCUSTFILES[case.client].format(wait=case.wait, certificate=str(CERTIFICATE))
        locustfile.write_text(source, encoding="utf-8")
        port = free_port()
        sweep = perflab.sweep(
            host=f"{case.scheme}://127.0.0.1:{port}",
            launch=f"python -m perflab.calibration.server --port {port} {case.server} --log {shlex.quote(str(log))}",
            locustfile=locustfile,
            users=users,
            spawn_rate=SPAWN_RATE,
            duration=seconds,
            repeats=1,
            processes=1,
            label=case.name,
            runs_dir=Path(folder, "runs"),
            report=False,
        )
        # While the folder is there.
        return sweep, list(_figures(case, sweep, pd.read_csv(log)))


def _figures(case: Case, sweep: Sweep, truth: pd.DataFrame) -> Iterator[Figure]:
    steady = sweep.latency[sweep.latency["steady"]]
    verdicts = dict(zip(sweep.levels["level"], sweep.levels["verdict"], strict=True))
    for run in sweep.runs.to_dict("records"):
        begun = run["start"].timestamp()
        since, until = begun + run["window_start"], begun + run["window_end"]
        judged = truth[(truth["arrived"] >= since) & (truth["arrived"] < until)]
        ones = np.ones(len(judged), "int64")
        samples = steady[steady["run"] == run["run"]]
        wire, client = (samples[samples["measure"] == measure] for measure in ("wire", "client"))
        locust = pd.read_csv(sweep.dir.path / run["run"] / "locust_stats.csv").iloc[-1]
        for q in PERCENTILES:
            yield Figure(
                case=case.name,
                users=run["level"].users,
                percentile=q,
                requests=len(judged),
                on_the_wire=int(wire["count"].sum()),
                drawn_ms=percentile(judged["drawn_ms"], ones, q),
                served_ms=percentile(judged["served_ms"], ones, q),
                wire_ms=percentile(wire["latency_ms"], wire["count"], q),
                client_ms=percentile(client["latency_ms"], client["count"], q),
                locust_csv_ms=float(locust[f"{q}%"]),
                verdict=str(verdicts[run["level"]]),
            )


def percentile(values: Any, counts: Any, q: float) -> float:
    """Return the smallest value that at least `q` per cent of the weighted values do not exceed."""
    values, counts = np.asarray(values, "float64"), np.asarray(counts, "int64")
    if not counts.sum():
        return math.nan
    order = np.argsort(values)
    reached = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(reached, math.ceil(q / 100 * reached[-1]))])


def print_figures(figures: Sequence[Figure]) -> None:
    """Print a table, a line a percentile."""
    print(f"{'':<24}{'':>6}{'':>9}  {'ms':^49}  {'off the truth, %':^30}   wire within")
    print(
        f"{'case':<24}{'users':>6}{'requests':>9}  {'':<5}{'drawn':>8}{'served':>9}{'wire':>9}{'client':>9}{'CSV':>9}"
        f"  {'wire':>10}{'client':>10}{'CSV':>10}   {'1 %/0.5 ms':<11}  verdict"
    )
    for one in figures:
        clocks = (one.wire_ms, one.client_ms, one.locust_csv_ms)
        measured = "".join(f"{clock:>9.2f}" for clock in clocks)
        off = "".join(f"{one.off(clock):>+10.2f}" for clock in clocks)
        goal = {True: "yes", False: "NO", None: "-"}[one.within_goal]
        print(
            f"{one.case:<24}{one.users:>6}{one.requests:>9}  p{one.percentile:<4}"
            f"{one.drawn_ms:>8.2f}{one.served_ms:>9.2f}{measured}  {off}   {goal:<11}  {one.verdict}"
        )


def print_saturation(sweep: Sweep, figures: Sequence[Figure]) -> None:
    """Print what a saturated generator sees, and what perflab says of it."""
    median = next(one for one in figures if one.percentile == 50)
    print(
        f"\n{SATURATION_USERS} users without think time, answers at once: "
        f"the server took {median.served_ms:.2f} ms (median), "
        f"wire {median.wire_ms:.2f} ms, client {median.client_ms:.2f} ms; {sweep.verdict}"
    )
    for reason in sweep.reasons:
        print(f"  {reason}")


@styled
def clocks_chart(figures: Sequence[Figure]) -> Chart:
    """p95 in ms against users by every clock."""
    shown = sorted((one for one in figures if one.percentile == 95), key=lambda one: one.users)
    users, invalid = [one.users for one in shown], [one.verdict == "INVALID" for one in shown]
    chart, [[axes]] = canvas(
        "What each clock says as the load grows",
        "p95 latency by one HttpUser process; the server's latency is known and does not change with the load"
        + ("; hollow: perflab says INVALID" if any(invalid) else ""),
        panel_height=3.4,
        right=2.85,
        head=0,
    )
    # The truth is a broad band below the others, so that a line that covers it is seen to cover it.
    lines = [
        ("truth, drawn by the server", [one.drawn_ms for one in shown], OKABE_ITO[2], ""),
        ("Locust's CSV", [one.locust_csv_ms for one in shown], OKABE_ITO[3], "s"),
        ("client clock", [one.client_ms for one in shown], OKABE_ITO[1], "D"),
        ("wire clock", [one.wire_ms for one in shown], OKABE_ITO[0], "o"),
    ]
    logarithmic = latency_axis([axes], [value for _, values, *_ in lines for value in values])
    level_axis(axes, map(Level.of_users, users))
    for _, values, colour, marker in lines:
        if not marker:
            axes.plot(users, values, color=tint(colour, 0.4), linewidth=8)
            continue
        axes.plot(users, values, color=colour)
        for at, value, hollow in zip(users, values, invalid, strict=True):
            face = "white" if hollow else colour
            axes.plot(at, value, marker, color=colour, markerfacecolor=face, markeredgewidth=1.3, clip_on=False)
    axes.set_ylabel("p95 latency, ms (log)" if logarithmic else "p95 latency, ms")
    axes.yaxis.label.set_color(INK)
    end_labels(axes, [(values[-1], f"{name}  {number(values[-1])} ms", colour) for name, values, colour, *_ in lines])
    told = "; ".join(f"{name} {number(values[0])} to {number(values[-1])} ms" for name, values, *_ in lines)
    chart.alt = f"Line chart of p95 latency against users, {users[0]} to {users[-1]}, by clock: {told}."
    return chart


def chosen(names: str) -> list[Case]:
    """Return the cases that are meant; an unknown name is wrong usage."""
    groups = {"all": [*CASES.values()], "truth": [*TRUTH]}
    found: list[Case] = []
    for name in names.split(","):
        if name not in groups and name not in CASES:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join([*groups, *CASES])}")
        found += groups.get(name) or [CASES[name]]
    return list(dict.fromkeys(found))


def csv_row(figure: Figure) -> dict[str, object]:
    """Return a figure with its differences in per cent."""
    off = {
        f"{clock}_off_percent": round(figure.off(getattr(figure, f"{clock}_ms")), 3)
        for clock in ("wire", "client", "locust_csv")
    }
    return {**asdict(figure), **off, "wire_within_goal": figure.within_goal}


def main() -> None:
    """Measure the chosen cases, print what was found, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30, help="steady state of each case but load")
    parser.add_argument("--cases", type=chosen, default="all", help=f"all, truth, {', '.join(CASES)}")
    parser.add_argument("--load-users", type=parse_users, default=LOAD_USERS, help="levels of the case load")
    parser.add_argument("--load-seconds", type=float, default=LOAD_SECONDS)
    parser.add_argument("--csv", type=Path, help="write the figures to this file too")
    parser.add_argument("--chart", type=Path, help="draw the case load to this .svg or .png")
    options = parser.parse_args()
    if options.chart and LOAD not in options.cases:
        parser.error("--chart draws the case load: add it to --cases")
    figures: list[Figure] = []
    saturated: tuple[Sweep, list[Figure]] | None = None
    for case in options.cases:
        if case is LOAD:
            found = measure(case, options.load_users, options.load_seconds)
        else:
            found = measure(case, [SATURATION_USERS if case is SATURATION else options.users], options.seconds)
        if case is SATURATION:
            saturated = found
        figures += found[1]
    print(f"{machine()}\n")
    print_figures(figures)
    if saturated:
        print_saturation(*saturated)
    few = sorted({one.case for one in figures if one.requests < MIN_REQUESTS and one.case not in {"load"}})
    if few:
        print(f"\nfewer than {MIN_REQUESTS} requests, so the figures are coarse: {', '.join(few)}")
    if options.csv:
        write_csv(options.csv, list(map(csv_row, figures)))
    if options.chart:
        chart = clocks_chart([one for one in figures if one.case == LOAD.name])
        if options.chart.suffix == ".png":
            options.chart.write_bytes(chart.to_png())
        else:
            options.chart.write_text(chart.to_svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
