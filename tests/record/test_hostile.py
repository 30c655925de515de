"""Nothing that a locustfile does to Locust's events and statistics, or that goes wrong in here, ends the recording."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import perflab
from perflab.analyse.sweep import Sweep
from perflab.drive.target import free_port
from tests.parts.hostile_cases import CASES, TIMED
from tests.whole import losses

PARTS = Path(__file__).parents[1] / "parts"

FAULTY = """
from locust import FastHttpUser, constant, task
from perflab.record import coordinator, writer
from perflab.record.exporter import LoadTest
from perflab.record.health import ProcessUse

def failing(*_):
    raise RuntimeError("on purpose")

ProcessUse.take = LoadTest.take = coordinator.end_think_times = failing

write, full = writer.write_state, []
def write_unless_full(folder, state):
    if state.window_start is not None and not full:
        full.append(True)
        failing()
    write(folder, state)
writer.write_state = write_unless_full

class Web(FastHttpUser):
    wait_time = constant(0.02)
    @task
    def health(self): self.client.get("/health")
"""


def test_thousands_of_odd_events_come_back_from_the_files() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.parts.fuzzed_events"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 2000


@pytest.fixture(scope="module", params=[1, 2], ids=["alone", "workers"])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, small_target: str) -> Sweep:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        return perflab.sweep(
            small_target,
            locustfile=PARTS / "hostile_locustfile.py",
            users=4,
            spawn_rate=20,
            duration=3,
            processes=request.param,
            runs_dir=tmp_path_factory.mktemp("hostile") / "runs",
            progress="none",
            report=False,
        )


def test_whatever_an_event_tells_is_a_request(hostile: Sweep) -> None:
    assert losses(hostile) == []
    evidence = hostile.run_manifests[0].evidence
    assert evidence.requests_recorded == evidence.requests_finished
    assert evidence.recorder_faults == 0
    client = hostile.latency[hostile.latency["measure"] == "client"]
    counts = client.groupby("name", observed=True)["count"].sum()
    # Each round tells of each case once; the window may end within one.
    told = [int(counts[name]) for name in CASES]
    assert min(told) > 20
    assert max(told) - min(told) <= 1
    # The listener that ends the event of a failed request was there first.
    assert counts["/missing"] > 20
    assert set(hostile.failures["outcome"]) == {"http_404", "Exception"}
    assert hostile.failures["count"].sum() == client.loc[client["outcome"] != "ok", "count"].sum()


def test_what_has_no_latency_is_counted_and_has_none(hostile: Sweep) -> None:
    evidence = hostile.run_manifests[0].evidence
    client = hostile.latency[hostile.latency["measure"] == "client"]
    without_latency = client["latency_ms"].isna()
    assert set(client.loc[without_latency, "name"]) == set(CASES) - TIMED
    assert evidence.without_latency == client.loc[without_latency, "count"].sum()
    assert evidence.start_corrected == client.loc[client["name"] == "milliseconds", "count"].sum()
    assert hostile.latency["second"].between(0, 30).all()
    figures = hostile.endpoints.set_index("name")
    assert (figures.loc["no time", "requests"], figures.loc["no time", "failed"]) == (figures.loc["no time", "ok"], 0)
    assert figures["p95_ms"].isna()["no time"]
    assert figures.loc["milliseconds", "p95_ms"] == pytest.approx(5.0, rel=0.005)
    # They are requests of their group, and none of its latencies.
    assert hostile.totals["requests"].item() == hostile.runs["requests"].item()
    assert hostile.totals["max_ms"].notna().all()
    assert any(f"{evidence.without_latency} requests" in note and "no latency" in note for note in hostile.notes)
    assert any("start_time" in note for note in hostile.notes)


def test_reset_statistics_lose_nothing(hostile: Sweep) -> None:
    evidence = hostile.run_manifests[0].evidence
    assert evidence.stats_resets == 2 * len(evidence.sources)
    # The events that the listener ended never came to Locust's statistics; all others did, resets or not.
    counts = hostile.responses.groupby("name", observed=True)["count"].sum()
    assert evidence.requests_finished is not None
    assert evidence.locust_finished is not None
    ended = counts["/missing"] + counts["text as status, failed"]
    assert evidence.requests_finished - evidence.locust_finished == ended
    assert any("were reset" in note for note in hostile.notes)


def test_what_goes_wrong_in_the_recorder_is_said_and_ends_nothing(tmp_path: Path, small_target: str) -> None:
    locustfile = tmp_path / "faulty.py"
    locustfile.write_text(FAULTY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        patch.setenv("LOAD_TEST_PROMETHEUS_PORT", str(free_port()))
        sweep = perflab.sweep(
            small_target,
            locustfile=locustfile,
            users=2,
            spawn_rate=20,
            duration=2,
            runs_dir=tmp_path / "runs",
            progress="none",
            report=False,
        )
    [manifest] = sweep.run_manifests
    evidence = manifest.evidence
    assert manifest.status == "complete"
    recorded = sweep.latency.loc[sweep.latency["measure"] == "client", "count"].sum()
    assert recorded == evidence.requests_finished == evidence.locust_finished
    assert sweep.totals["requests"].item() > 50
    # Each second the health of the generator and the exporter.
    assert evidence.recorder_faults >= 4
    assert "RuntimeError" in evidence.recorder_fault
    assert sweep.verdict == "INVALID"
    assert any("perflab's own recorder" in reason for reason in sweep.reasons)
