"""The wire clock on real sockets: every client, every way of answering, plain and under TLS."""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import perflab
from perflab.analyse.sweep import Sweep
from perflab.drive.target import free_port

PARTS = Path(__file__).parents[1] / "parts"
CERTIFICATE = Path(perflab.__file__).parent / "calibration" / "localhost.pem"
Counts = dict[tuple[str, str], int]

ANSWERED = ("plain", "redirect", "chunked", "large", "closes", "head", "post", "outer", "inner")
# The server waits for 20 ms before it answers, and a redirect is two answers.
MIN_MS = {"redirect": 40.0, "chunked": 40.0}


@pytest.fixture(scope="module", params=["http", "https"])
def odd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A run of all ways to make a request against a server that answers in all ways."""
    port = free_port()
    command = shlex.join([sys.executable, str(PARTS / "odd_server.py"), str(port)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        patch.setenv("PYTHONWARNINGS", "ignore")
        return perflab.sweep(
            host=f"{request.param}://127.0.0.1:{port}",
            launch=command + (f" {shlex.quote(str(CERTIFICATE))}" if request.param == "https" else ""),
            locustfile=PARTS / "odd_locustfile.py",
            users=5,
            spawn_rate=50,
            duration=2,
            runs_dir=tmp_path_factory.mktemp("odd") / "runs",
            progress="none",
            report=False,
        )


@pytest.fixture
def counts(odd: Sweep) -> dict[tuple[str, str], int]:
    """Requests by name and measure."""
    sums = odd.latency.groupby(["name", "measure"], observed=True)["count"].sum()
    found: dict[tuple[str, str], int] = defaultdict(int)
    for row in sums.reset_index().to_dict("records"):
        found[str(row["name"]), str(row["measure"])] = int(row["count"])
    return found


def smallest(sweep: Sweep, name: str, measure: str) -> float:
    rows = sweep.latency[(sweep.latency["name"] == name) & (sweep.latency["measure"] == measure)]
    return float(rows["latency_ms"].min())


def mean(sweep: Sweep, name: str, measure: str) -> float:
    rows = sweep.latency[(sweep.latency["name"] == name) & (sweep.latency["measure"] == measure)]
    return float((rows["latency_ms"] * rows["count"]).sum() / rows["count"].sum())


def test_every_answered_request_has_its_wire_time(odd: Sweep, counts: Counts) -> None:
    names = [f"{kind} {case}" for kind in ("requests", "fast") for case in (*ANSWERED, "error")]
    names += ["busy warm", "busy plain", "raw kept"]
    for name in names:
        assert counts[name, "client"] == counts[name, "wire"] > 0, name
        assert counts[name, "fallback"] == 0, name
    # Whose start nobody tells is reckoned back from its end: it may be missed when the process is kept from running
    # just then, and the client's clock stands in, which the run says.
    without_wire_time = odd.run_manifests[0].evidence.without_wire_time
    assert counts["raw opened", "fallback"] == without_wire_time
    assert (
        counts["raw opened", "wire"]
        == counts["raw opened", "client"] - without_wire_time
        > counts["raw opened", "client"] / 2
    )


def test_a_request_without_an_answer_has_none(counts: Counts) -> None:
    for name in ("requests timeout", "fast timeout", "requests breaks"):
        assert counts[name, "client"] > 0
        assert counts[name, "wire"] == 0, name


def test_connecting_is_told_of_those_that_opened_a_connection(counts: Counts) -> None:
    for kind in ("requests", "fast"):
        # After a timeout, and after the server has closed.
        for case in ("plain", "head"):
            assert counts[f"{kind} {case}", "connect"] == counts[f"{kind} {case}", "client"]
        for case in ("redirect", "chunked", "large", "post", "inner", "outer"):
            assert counts[f"{kind} {case}", "connect"] == 0, case
    assert counts["raw opened", "connect"] == counts["raw opened", "client"]
    assert counts["raw kept", "connect"] == 0


def test_the_wire_time_holds_the_answer_and_not_the_client(odd: Sweep) -> None:
    for kind in ("requests", "fast"):
        for case in ANSWERED:
            name = f"{kind} {case}"
            wire = smallest(odd, name, "wire")
            # Buckets are within half a per cent; the client can't have seen an answer before it came.
            assert MIN_MS.get(case, 20.0) * 0.99 <= wire <= smallest(odd, name, "client") * 1.011, name
            # Redirects are followed by the client: what it does in between is not the service's.
            assert mean(odd, name, "wire") <= mean(odd, name, "client"), name


def test_a_busy_generator_does_not_show(odd: Sweep) -> None:
    # Its process stands still for 150 ms while the answer, 20 ms away, comes in.
    assert smallest(odd, "busy plain", "client") > 140
    assert 19.8 < smallest(odd, "busy plain", "wire") < 75


def test_a_request_within_anothers_with_block_keeps_to_itself(odd: Sweep) -> None:
    for kind in ("requests", "fast"):
        # The inner one answers with two megabytes; the outer one's event comes 50 ms after its answer.
        assert mean(odd, f"{kind} outer", "wire") < mean(odd, f"{kind} inner", "wire")


def test_the_judged_clock_is_the_wires(odd: Sweep) -> None:
    answered = odd.endpoints[(odd.endpoints["ok"] > 0) & (odd.endpoints["name"] != "raw opened")]
    assert {"requests plain", "fast plain", "raw kept"} <= set(answered["name"])
    assert set(answered["clock"]) == {"wire"}
