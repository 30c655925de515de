"""Whose clock a figure goes by, from what the recorder writes in a real run to the verdict."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import perflab
from perflab.analyse.sweep import Sweep

# A client that waits for its answers in threads of its own: no socket of the user's greenlet carries them.
LOCUSTFILE = """
import os
import time
import urllib.request

import gevent
from locust import HttpUser, constant, task


class Plain(HttpUser):
    # So long that a crowded machine, which wakes users up late, takes but a small share of the load away.
    wait_time = constant(1)

    @task
    def get(self):
        if "IN_THREADS" not in os.environ:
            self.client.get("/health")
            return
        began = time.perf_counter()
        gevent.get_hub().threadpool.apply(urllib.request.urlopen, (self.host + "/health",))
        took = (time.perf_counter() - began) * 1000
        self.environment.events.request.fire(
            request_type="GET", name="/health", response_time=took, response_length=2, exception=None, context={}
        )
"""


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clock") / "runs"


@pytest.fixture(scope="module")
def sweeps(runs_dir: Path, small_target: str) -> tuple[Sweep, Sweep]:
    """The same locustfile twice, by the wire clock and with a client whose answers perflab can't see."""
    locustfile = runs_dir.parent / "locustfile.py"
    locustfile.write_text(LOCUSTFILE)
    (runs_dir.parent / "objectives.toml").write_text('[all]\nendpoints = ["/*"]\np95_ms = { at_most = 5000 }\n')
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        for further in ({}, {"IN_THREADS": "yes"}):
            for name, value in further.items():
                patch.setenv(name, value)
            found.append(
                perflab.sweep(
                    small_target,
                    locustfile=locustfile,
                    users=20,
                    spawn_rate=50,
                    duration=3,
                    runs_dir=runs_dir,
                    progress="none",
                    report=False,
                )
            )
    return found[0], found[1]


def test_a_run_whose_answers_nobody_saw_goes_by_the_client_clock_everywhere(sweeps: tuple[Sweep, Sweep]) -> None:
    for sweep, clock in zip(sweeps, ("wire", "client"), strict=True):
        assert set(sweep.latency["measure"]) >= {"client", "wire" if clock == "wire" else "fallback"}
        for frame in (sweep.totals, sweep.groups, sweep.endpoints, sweep.verdicts):
            assert frame["clock"].tolist() == [clock]


def test_it_is_not_comparable_with_one_by_the_wire_clock(sweeps: tuple[Sweep, Sweep], runs_dir: Path) -> None:
    comparison = perflab.compare(*(sweep.id for sweep in sweeps), runs_dir=runs_dir)
    assert comparison.verdict == "INVALID"
    [row] = comparison.comparability[comparison.comparability["kind"] == "matters"].to_dict("records")
    assert (row["what"], row["baseline"], row["candidate"]) == ("clock", "wire (all at 20 users)", "client")
    assert any(reason.startswith("clock differs") for reason in comparison.reasons)
    assert isinstance(comparison.latency, pd.DataFrame)
