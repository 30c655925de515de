"""Whose fault it is that users ask less often: the generator's, or their own client's. Real Locust, real server."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

import perflab
from perflab.analyse.sweep import Sweep

ODD = Path(__file__).parents[1] / "parts" / "odd_server.py"

# Nine users who ask all the time and think in between, most of them within their task, and one who computes for 1.5 s
# now and then: nobody else gets on meanwhile.
BLOCKED = """
import time
from locust import FastHttpUser, User, constant, task

class Asking(FastHttpUser):
    fixed_count = 3
    wait_time = constant(0.1)
    @task
    def get(self): self.client.get("/plain")

class Pausing(FastHttpUser):
    wait_time = constant(0)
    @task
    def get(self):
        self.client.get("/plain")
        time.sleep(0.1)

class Computing(User):
    fixed_count = 1
    wait_time = constant(1.5)
    @task
    def compute(self):
        end = time.perf_counter() + 1.5
        while time.perf_counter() < end: pass
"""

# A request is refused twice and made again at once, then after half a second; or its client sleeps in a hook.
PATIENT = """
import time
from locust import HttpUser, constant, task
from requests.adapters import HTTPAdapter
from urllib3 import Retry

def hook(response, **_): time.sleep(0.2)

class Retrying(HttpUser):
    wait_time = constant(0.3)
    def on_start(self):
        retry = Retry(total=3, backoff_factor=0.5, backoff_max=0.5, status_forcelist=[503])
        self.client.mount("http://", HTTPAdapter(max_retries=retry))
    @task
    def get(self): self.client.get("/third")
    @task
    def hooked(self): self.client.get("/plain", hooks={"response": hook})
"""


def swept(folder: Path, locustfile: str, *, duration: int) -> Sweep:
    (folder / "locustfile.py").write_text(locustfile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        return perflab.sweep(
            shlex.join([sys.executable, str(ODD)]) + " {port}",
            locustfile=folder / "locustfile.py",
            users=10,
            spawn_rate=100,
            duration=duration,
            runs_dir=folder / "runs",
            progress="none",
            report=False,
        )


def test_code_that_blocks_the_process_is_the_generators_saturation(tmp_path: Path) -> None:
    sweep = swept(tmp_path, BLOCKED, duration=6)
    [health] = sweep.health.to_dict("records")
    # In more than half of the seconds the generator is idle, and it is late in half of the time.
    assert health["lag_p50_ms"] < 5
    assert health["lag_ms"] > 1000
    assert 0.3 < health["achieved_load"] < 0.75
    assert sweep.verdict == "INVALID"
    assert "saturated" in sweep.reasons[0]


def test_what_a_client_waits_for_by_its_own_will_is_said_and_is_not_the_generators(tmp_path: Path) -> None:
    sweep = swept(tmp_path, PATIENT, duration=4)
    [health] = sweep.health.to_dict("records")
    asked = sweep.latency[sweep.latency["steady"] & (sweep.latency["measure"] == "client")]
    assert set(asked["outcome"]) == {"ok"}
    # About a third of a second in each request.
    assert 0.2 < health["client_waits_s"] / asked["count"].sum() < 0.7
    assert health["lost_s"] < 0.1 * health["client_waits_s"]
    assert any("the client itself waits" in note for note in sweep.notes)
    assert sweep.runs["validity"].tolist() == ["valid"]
    # What was refused and what was answered are both the service's, what lay between them is not.
    wire = {str(row["name"]): row for row in sweep.endpoints.to_dict("records")}
    assert wire["/third"]["clock"] == wire["/plain"]["clock"] == "wire"
    assert 3 * 20 <= wire["/third"]["p50_ms"] < 400
    assert 20 <= wire["/plain"]["p50_ms"] < 200
