from __future__ import annotations

import math
import socket
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import perflab
from perflab.drive.target import free_port
from perflab.record.counts import Counts
from perflab.record.delivery import Batch, Parcel
from perflab.record.exporter import MAX_NAMES, LoadTest
from perflab.store.recorder_protocol import read_state
from tests.whole import losses

Sample = tuple[str, dict[str, str], float]


def samples(text: str) -> list[Sample]:
    """What the official parser reads."""
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def exported(load_test: LoadTest) -> list[Sample]:
    registry = CollectorRegistry()
    registry.register(load_test)
    return samples(generate_latest(registry).decode())


def parcel(number: int, counts: Counts, source: str = "worker-0") -> Parcel:
    return Parcel(source, 1, number, Batch(latency=counts.take_latency()))


def test_hostile_names_and_all_outcomes_are_parsed_back() -> None:
    counts = Counts()
    name = 'a"b\\c\nd{e="f"} 💥'
    for outcome in ("ok", "http_503"):
        counts.note((0, "GET", name, outcome, 200, "U"), 9.0, (5.0, None))
    counts.add_unanswered(0, "GET", name, "U", 1234.0)
    load_test = LoadTest(sweep_id='x"y', run="r")
    load_test.take(parcel(1, counts))
    found = exported(load_test)
    requests = {
        labels["outcome"]: (value, labels) for sample, labels, value in found if sample.endswith("requests_total")
    }
    assert {outcome: value for outcome, (value, _) in requests.items()} == {"ok": 1, "http_503": 1, "unanswered": 1}
    # It waited for 1.2 s: that is within no limit.
    waited = [
        (labels["le"], value)
        for sample, labels, value in found
        if sample.endswith("_bucket") and labels["outcome"] == "unanswered" and value
    ]
    assert waited == [("+Inf", 1)]
    # As in latency.csv: on one line.
    assert requests["ok"][1]["name"] == name.replace("\n", "\\n")
    assert ("load_test_info", {"sweep_id": 'x"y', "run": "r"}, 1.0) in found


def test_names_without_end_do_not_make_a_scrape_without_end() -> None:
    counts = Counts()
    for number in range(2000):
        counts.note((0, "GET", f"/{number}", "ok", 200, "U"), 9.0, (5.0, None))
    load_test = LoadTest(sweep_id="", run="")
    load_test.take(parcel(1, counts))
    counted = [labels for sample, labels, _ in exported(load_test) if sample.endswith("requests_total")]
    assert len(counted) == MAX_NAMES + 1
    assert sum(value for sample, _, value in exported(load_test) if sample.endswith("requests_total")) == 2000


def test_the_share_within_an_objective_is_exact_and_the_clock_is_the_wire() -> None:
    counts = Counts()
    for ms in (140.0, 150.0, 160.0, 200.0):
        counts.note((0, "GET", "/a", "ok", 200, "U"), ms + 500, (ms, None))
    # Without a wire time for all of a kind the client's stands for all.
    counts.note((0, "GET", "/b", "http_500", 500, "U"), 700.0, (1.0, None))
    counts.note((0, "GET", "/b", "http_500", 500, "U"), 700.0, None)
    load_test = LoadTest(limits_ms=(155.0,), sweep_id="", run="")
    load_test.take(parcel(1, counts))
    found = exported(load_test)

    def within(name: str, bound: float) -> float:
        [value] = [
            value
            for sample, labels, value in found
            if sample.endswith("_bucket") and labels["name"] == name and float(labels["le"]) == bound
        ]
        return value

    assert within("/a", 0.155) == 2
    assert within("/a", math.inf) == 4
    assert within("/b", 0.5) == 0
    [total] = [value for sample, labels, value in found if sample.endswith("_sum") and labels["name"] == "/a"]
    assert total == pytest.approx(0.650, rel=0.005)


class Scraper:
    """Fetches a page some times while a run lasts, then, as Prometheus may, only some seconds after its end."""

    def __init__(self, port: int, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._url = f"http://127.0.0.1:{port}/metrics"
        self.text = ""
        self.fetched = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._scrape)
        self._thread.start()

    def _scrape(self) -> None:
        while not self._over.wait(0.2):
            if self.fetched == 5 and not self._run_has_ended():
                continue
            if self.fetched == 5:
                self._over.wait(2.2)
            try:
                with urllib.request.urlopen(self._url, timeout=5) as answer:  # noqa: S310
                    self.text = answer.read().decode()
                    self.fetched += 1
            except (urllib.error.URLError, ConnectionError):
                continue

    def _run_has_ended(self) -> bool:
        # The recorder's own word: the process still waits for whoever watches it.
        states = [read_state(file.parent) for file in self._runs_dir.rglob(".recorder.json")]
        return any(state is not None and state.end is not None for state in states)

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def scraper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scraper]:
    port = free_port()
    monkeypatch.setenv("LOAD_TEST_PROMETHEUS_PORT", str(port))
    monkeypatch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
    scraper = Scraper(port, tmp_path)
    yield scraper
    scraper.close()


@pytest.mark.parametrize("processes", [1, 4])
def test_counts_are_those_of_latency_csv_at_the_end(
    tmp_path: Path, small_target: str, small_locustfile: Path, scraper: Scraper, processes: int
) -> None:
    sweep = perflab.sweep(
        small_target,
        locustfile=small_locustfile,
        users=12,
        spawn_rate=20,
        duration=3,
        processes=processes,
        runs_dir=tmp_path,
        progress="none",
        report=False,
    )
    scraper.close()
    assert (len(sweep.runs), losses(sweep)) == (1, [])
    assert scraper.fetched > 5
    [run] = sweep.dir.runs()
    latency = pd.read_csv(run.latency, keep_default_na=False)
    rows = latency[latency["measure"] == "client"].groupby(["method", "name", "outcome"])["count"].sum()
    totals: Counter[tuple[str, str, str]] = Counter()
    counted: Counter[tuple[str, str, str]] = Counter()
    sources, classes, infos = set(), set(), []
    for sample, labels, value in samples(scraper.text):
        if sample in {"load_test_requests_total", "load_test_response_time_seconds_count"}:
            into = totals if sample.endswith("total") else counted
            into[labels["method"], labels["name"], labels["outcome"]] += int(value)
            classes.add(labels["user_class"])
        if sample == "load_test_users":
            sources.add(labels["source"])
        if sample == "load_test_info":
            infos.append(labels)
    assert totals == counted == {key: int(count) for key, count in rows.items()}
    assert len(totals) > 1
    assert len(sources) == processes
    assert infos == [{"sweep_id": sweep.id, "run": run.name}]
    # The user classes of the locustfile, and in responses.csv the same requests by class and status.
    responses = pd.read_csv(run.responses, keep_default_na=False, dtype={"status": "str"})
    assert set(responses["user_class"]) == classes
    assert "" not in classes
    assert responses["count"].sum() == rows.sum()
    assert responses.loc[responses["outcome"] == "ok", "status"].unique().tolist() == ["200"]


def test_a_port_that_is_taken_is_said_before_anything_runs(
    tmp_path: Path, small_target: str, small_locustfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for value, reason in ((str(port), "in use"), ("http", "is not a port"), ("70000", "is not a port")):
            monkeypatch.setenv("LOAD_TEST_PROMETHEUS_PORT", value)
            with pytest.raises(perflab.UsageError, match=rf"LOAD_TEST_PROMETHEUS_PORT\W+'{value}'.*{reason}"):
                perflab.sweep(small_target, locustfile=small_locustfile, users=1, duration=1, runs_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
