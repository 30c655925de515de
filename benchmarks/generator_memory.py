"""How much memory the load generator takes for each user: what `perflab doctor` reckons with.

    python -m benchmarks.generator_memory [--users 100,1000] [--seconds 10]

Each case is a sweep over the user counts, one Locust process a run; users wait 1 to 3 s between requests. Memory is the
highest resident set of the steady window (`rss_mb` of generator.csv, in 10^6 bytes). The figure per user is the slope
from the lowest count to the highest, the base what is left at no user.

HTTPS users trust what their client trusts by default: an HttpUser the whole bundle of certificates (and here the
server's own besides), a FastHttpUser everybody.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import certifi

import perflab
from benchmarks.figures import machine
from perflab.calibration.server import CERTIFICATE
from perflab.drive.target import free_port
from perflab.plan.parse import parse_users
from perflab.vocabulary.level import Level

ROOT = Path(__file__).resolve().parent.parent
SPAWN_RATE = 50

LOCUSTFILE = """
from locust import FastHttpUser, HttpUser, between, task
class User({client}):
    wait_time = between(1, 3)
    @task
    def get(self): self.client.get("/"{trust})
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of users: a client and a scheme, or the suite of the Platform API."""

    client: str
    scheme: str

    @property
    def name(self) -> str:
        """Its name in the table."""
        return f"{self.client}, {self.scheme}"


SUITE = Case("Platform API suite", "http")
CASES = [Case(client, scheme) for client in ("HttpUser", "FastHttpUser") for scheme in ("http", "https")] + [SUITE]


def measure(case: Case, users: Sequence[int], seconds: float) -> list[float]:
    """Return the generator's memory at each of the user counts, in MB."""
    with tempfile.TemporaryDirectory(prefix="perflab-memory-") as name:
        folder, port = Path(name), free_port()
        # PostgreSQL's own user must be able to reach it.
        folder.chmod(0o755)
        if case is SUITE:
            locustfile, launch = (
                ROOT / "load_tests" / "locustfile.py",
                "python -m load_tests.platform_api --port {port}",
            )
        else:
            locustfile, launch = (
                folder / "locustfile.py",
                "python -m perflab.calibration.server --port {port} --immediate",
            )
            bundle = folder / "bundle.pem"
            bundle.write_bytes(Path(certifi.where()).read_bytes() + Path(CERTIFICATE).read_bytes())
            tls = case.scheme == "https"
            trust = f", verify={str(bundle)!r}" if tls and case.client == "HttpUser" else ""
            locustfile.write_text(LOCUSTFILE.format(client=case.client, trust=trust), encoding="utf-8")
            launch += " --tls" if tls else ""
        sweep = perflab.sweep(
            host=f"{case.scheme}://127.0.0.1:{port}",
            launch=launch.replace("{port}", str(port)),
            locustfile=locustfile,
            users=users,
            spawn_rate=SPAWN_RATE,
            duration=seconds,
            label="memory",
            runs_dir=folder / "runs",
            report=False,
        )
        steady = sweep.generator[sweep.generator["steady"]]
        return [float(steady[steady["level"] == Level.of_users(count)]["rss_mb"].max()) for count in users]


def main() -> None:
    """Measure all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", default="100,1000")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    users = sorted(parse_users(options.users))
    print(machine())
    print(
        "".join(f"{title:>24}" for title in ("users", *(f"MB at {level}" for level in users), "kB a user", "base MB"))
    )
    for case in CASES:
        memory = measure(case, users, options.seconds)
        per_user = (memory[-1] - memory[0]) / (users[-1] - users[0])
        figures = [*(f"{mb:.1f}" for mb in memory), f"{1000 * per_user:.0f}", f"{memory[0] - users[0] * per_user:.0f}"]
        print("".join(f"{text:>24}" for text in (case.name, *figures)), flush=True)


if __name__ == "__main__":
    main()
