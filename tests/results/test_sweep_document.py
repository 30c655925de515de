from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.analyse.sweep import Sweep
from perflab.cli.app import run_command
from perflab.results import save
from perflab.results.document import to_json
from perflab.results.sweep import build
from perflab.results.sweep import document as doc
from perflab.store.layout import SweepDir
from perflab.store.manifest import RunManifest, read_manifest, write_manifest
from perflab.store.tables import RESPONSE_COLUMNS, TableWriter, create_table
from perflab.vocabulary.level import Level
from tests.analyse.conftest import Written

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "load_test_metrics.schema.json"
OBJECTIVES = """
[all]
endpoints = ["*"]
success_rate = { at_least = 0.5, variable = "SUCCESS" }
p95_ms = { at_most = 0.001 }
"""


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "runs")


@dataclass(frozen=True, slots=True)
class Ended:
    """A sweep that perflab itself has run: its exit code, its folder and its metrics."""

    code: int
    dir: SweepDir
    metrics: dict[str, Any]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, small_target: str, small_locustfile: Path) -> Ended:
    folder = tmp_path_factory.mktemp("ended")
    (folder / "limits.toml").write_text(OBJECTIVES)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "perflab", "run", "--launch", f"{small_target} --password hunter2"),
            *("-f", str(small_locustfile), "--objectives", str(folder / "limits.toml"), "--users", "20"),
            *("--spawn-rate", "20", "--duration", "3s", "--runs-dir", str(folder / "runs"), "--no-report"),
        ],
        cwd=ROOT,
        env={**os.environ, "LOAD_TEST_SETTLE_SECONDS": "1"},
        capture_output=True,
        text=True,
    )
    [found] = (folder / "runs").iterdir()
    return Ended(done.returncode, SweepDir(found), json.loads((found / "metrics.json").read_text(encoding="utf-8")))


def validate(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
    return document


def test_the_schema_refuses_what_it_does_not_know(ended: Ended) -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert validator.is_valid(ended.metrics)
    assert not validator.is_valid(ended.metrics | {"schema_version": 2})
    assert not validator.is_valid(ended.metrics | {"more": 1})
    assert not validator.is_valid({name: value for name, value in ended.metrics.items() if name != "levels"})


def test_a_sweep_ends_with_its_results_and_its_exit_code(ended: Ended) -> None:
    assert {"metrics.json", "junit.xml", "summary.md"} <= {path.name for path in ended.dir.path.iterdir()}
    assert not list(ended.dir.path.glob(".*"))
    assert (ended.metrics["verdict"], ended.metrics["exit_code"], ended.code) == ("FAIL", 1, 1)
    assert "report.html" not in ended.dir.summary_md.read_text(encoding="utf-8")


def test_counts_agree_with_each_other(ended: Ended) -> None:
    level = ended.metrics["levels"]["users-0020"]
    totals, endpoints = level["totals"], level["endpoints"].values()
    assert totals["requests"] > 500
    assert totals["failed"] > 0
    for name in ("requests", "ok", "failed", "unanswered"):
        assert sum(endpoint[name] for endpoint in endpoints) == totals[name]
    assert sum(failure["count"] for failure in level["failures"]) == totals["failed"]
    for figures in (totals, *level["groups"].values(), *endpoints):
        assert sum(figures["response_codes"].values()) == figures["requests"]
    assert totals["response_codes"] == {"200": totals["ok"], "503": totals["failed"]}
    assert level["groups"]["all"] == totals
    assert totals["rps"] == pytest.approx(totals["requests"] / level["steady_s"], abs=0.001)


def test_what_stands_in_the_document_of_a_real_sweep(ended: Ended) -> None:
    level, about = ended.metrics["levels"]["users-0020"], ended.metrics["metadata"]
    assert about["sweep_id"] == ended.dir.id
    assert about["locustfile"] == "parts/small_locustfile.py"
    assert about["target"]["managed"] is True
    assert {"perflab", "locust", "python"} <= set(about["versions"])
    assert about["machine"]["cores"] >= 1
    times = ended.metrics["timestamps"]
    assert times["created"] <= times["start"] < times["end"]
    assert times["start"].endswith("Z")
    assert times["runs"]["users-0020-r1"] == {"start": times["start"], "end": times["end"]}
    assert level["runs"]["r1"]["requests"] == level["totals"]["requests"]
    assert level["totals"]["latency_ms"]["clock"] == "wire"
    assert level["resources"]["generator"]["local"]["rss_mb_max"] > 10
    assert 0.5 < level["resources"]["generator"]["local"]["achieved_load"] <= 1
    assert level["resources"]["target"]["rss_mb_max"] > 5
    success, p95 = level["objectives"]["all success_rate"], level["objectives"]["all p95_ms"]
    assert (success["verdict"], success["variable"], success["reason"]) == ("PASS", "SUCCESS", "")
    assert (p95["verdict"], p95["clock"], p95["limit"]) == ("FAIL", "wire", 0.001)
    assert p95["measured"] == level["totals"]["latency_ms"]["p95"]
    assert p95["reason"] in ended.metrics["reasons"]
    assert {"GET /varied", "POST /varied"} < set(level["endpoints"])
    # Neither the secret nor the port, which is another one each time.
    assert [(failure["name"], failure["outcome"], failure["status"]) for failure in level["failures"]] == [
        ("/broken?token=…", "http_503", "503")
    ]
    assert "{host}/broken" in level["failures"][0]["message"]


def test_no_secret_and_no_place_reaches_a_result(ended: Ended, small_locustfile: Path) -> None:
    assert ended.metrics["plan"]["launch"].endswith("{port} --password …")
    for file in (ended.dir.path / "metrics.json", ended.dir.junit_xml, ended.dir.summary_md):
        text = file.read_text(encoding="utf-8")
        assert "hunter2" not in text
        assert "topsecret" not in text
        assert str(ended.dir.path.parent) not in text
        assert str(small_locustfile.parent) not in text.replace(ended.metrics["plan"]["launch"], "")


def test_the_report_command_writes_the_results_again(in_empty_folder: Path) -> None:
    sweep = write_recorded_sweep(in_empty_folder / "runs", Load(users=(2,), seconds=3))
    notebook = in_empty_folder / "mine.ipynb"
    cell = nbformat.v4.new_code_cell("sweep_id = None\nruns_dir = None", metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), notebook)
    assert run_command(["report", "latest", "--notebook", str(notebook)]) == 0
    assert validate((sweep.path / "metrics.json").read_text(encoding="utf-8"))["metadata"]["sweep_id"] == sweep.id
    assert f"runs/{sweep.id}/report.html" in sweep.summary_md.read_text(encoding="utf-8")
    assert sweep.junit_xml.read_bytes().startswith(b"<?xml")


def cut_short(sweep_dir: SweepDir, users: int, **changes: object) -> None:
    path = sweep_dir.run(Level.of_users(users), 1).manifest
    write_manifest(path, read_manifest(path, RunManifest).model_copy(update={"window": None, "end": None, **changes}))


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_sweep_that_was_cut_short_has_results_too(tmp_path: Path, status: str) -> None:
    sweep_dir = write_recorded_sweep(tmp_path, Load(users=(20, 40), seconds=12, spawn_rate=50))
    cut_short(sweep_dir, 40, status=status)
    save(Sweep.open(sweep_dir), report=False)
    document = validate((sweep_dir.path / "metrics.json").read_text(encoding="utf-8"))
    level = document["levels"]["users-0040"]
    assert (document["verdict"], document["exit_code"], level["verdict"]) == ("INVALID", 3, "INVALID")
    assert (level["steady_s"], level["totals"]["requests"], level["totals"]["rps"]) == (0, 0, None)
    assert level["endpoints"] == level["groups"] == level["resources"]["generator"] == {}
    run = level["runs"]["r1"]
    assert (run["name"], run["status"], run["valid"]) == ("users-0040-r1", status, False)
    assert (run["window"], run["requests"], run["rps"], run["sources"]) == (None, 0, None, {})
    assert run["reason"] in level["reasons"][0]
    assert level["objectives"]["auth p95_ms"]["reason"].startswith("INVALID: users-0040-r1: the run ")
    assert document["levels"]["users-0020"]["totals"]["requests"] > 0


@pytest.mark.parametrize("gone", [(40,), (20, 40)])
def test_levels_without_a_run(tmp_path: Path, gone: tuple[int, ...]) -> None:
    sweep_dir = write_recorded_sweep(tmp_path, Load(users=(20, 40), seconds=12, spawn_rate=50))
    for users in gone:
        shutil.rmtree(sweep_dir.run(Level.of_users(users), 1).path)
    document = validate(build(Sweep.open(sweep_dir)).to_json())
    assert set(document["levels"]) == {"users-0020", "users-0040"}
    assert document["levels"]["users-0040"]["runs"] == {}
    assert (document["timestamps"]["end"] is None) == (gone == (20, 40))


def test_a_run_that_ended_before_its_first_row(tmp_path: Path) -> None:
    sweep_dir = write_recorded_sweep(tmp_path, Load(users=(20,), seconds=3))
    cut_short(sweep_dir, 20, status="failed", start=None)
    for table in sweep_dir.run(Level.of_users(20), 1).path.glob("*.csv"):
        table.write_text(table.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    validate(build(Sweep.open(sweep_dir)).to_json())


def test_figures_are_those_of_the_frames(tmp_path: Path) -> None:
    load = Load(users=(20, 40), repeats=2, seconds=12, per_user=2.0, sources=("w1", "w2"), wire=True, failure_rate=0.02)
    sweep = Sweep.open(write_recorded_sweep(tmp_path, load))
    document = validate(build(sweep).to_json())
    for row in sweep.endpoints.to_dict("records"):
        level = document["levels"][row["level"].name]
        found = level["endpoints"][f"{row['method']} {row['name']}"]
        assert found["group"] == row["group"]
        assert [found[name] for name in ("requests", "ok", "failed")] == [row["requests"], row["ok"], row["failed"]]
        assert found["success_rate"] == pytest.approx(row["success_rate"], abs=1e-6)
        for name in ("min", "p50", "p90", "p95", "p99", "max"):
            assert found["latency_ms"][name] == pytest.approx(row[f"{name}_ms"], abs=0.0005)
        assert found["latency_ms"]["avg"] == pytest.approx(row["mean_ms"], abs=0.0005)
    level = document["levels"]["users-0040"]
    assert level["steady_s"] == sum(run["window"]["end_s"] - run["window"]["start_s"] for run in level["runs"].values())
    assert sum(failure["count"] for failure in level["failures"]) == level["totals"]["failed"] > 0
    # That of the single runs, and the two of them pooled.
    steady = sweep.generator[(sweep.generator["level"] == "40 users") & sweep.generator["steady"]]
    of_source = steady[steady["source"] == "w2"]
    used = level["resources"]["generator"]["w2"]
    assert used["cpu_percent"]["max"] == of_source["cpu_percent"].max()
    assert used["loop_lag_ms"]["max"] == of_source["lag_ms"].max()
    lost, users = of_source["lost_s"].sum(), of_source["users"].sum()
    assert used["achieved_load"] == pytest.approx(1 - lost / users, abs=1e-6)


def test_a_diff_of_two_sweeps_shows_figures_only(tmp_path: Path) -> None:
    """The same figures, measured at another time, under another id, differ in nothing else."""
    texts = []
    for label in ("before", "after"):
        folder = write_recorded_sweep(tmp_path / label, Load(users=(20,), seconds=4), label=label)
        texts.append(build(Sweep.open(folder)).to_json())
    first, second = map(json.loads, texts)
    assert first != second
    for volatile in ("metadata", "timestamps"):
        first.pop(volatile), second.pop(volatile)
    assert first == second


def test_the_text_is_sorted_rounded_and_ends_with_a_line(hostile_sweep: Sweep) -> None:
    text = build(hostile_sweep).to_json()
    document = validate(text)
    assert text == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    figures = document["levels"]["users-0040"]["totals"]
    assert all(value == round(value, 3) for value in figures["latency_ms"].values() if isinstance(value, float))
    assert figures["success_rate"] == round(figures["success_rate"], 6)
    assert "POST <script>document.title='hacked'</script>" in document["levels"]["users-0040"]["endpoints"]


@given(st.text(st.characters(codec="utf-8")) | st.sampled_from(["\ufeff", "\x9b", "\U000e0001", "\u2028"]))
def test_no_text_of_a_document_steers_a_terminal(text: str) -> None:
    written = to_json({"outcome": text, text: [text]})
    assert json.loads(written) == {"outcome": text, text: [text]}
    assert written.replace("\n", "").isprintable()


def test_unanswered_requests_are_no_infinite_latencies(written: Written) -> None:
    written.limit("p95_ms", 100)
    written.run([(1, "/a", "ok", 5.0, 80), (2, "/a", "unanswered", 900.0, 20)], unanswered=20, requests_finished=80)
    document = validate(build(written.open()).to_json())
    totals = document["levels"]["users-0010"]["totals"]
    assert (totals["unanswered"], totals["failed"], totals["latency_ms"]["p50"]) == (20, 20, 5.0)
    assert (totals["latency_ms"]["p95"], totals["latency_ms"]["max"]) == (None, None)
    assert totals["latency_ms"]["avg"] == 5.0
    objective = document["levels"]["users-0010"]["objectives"]["shop p95_ms"]
    assert (objective["measured"], objective["samples"]) == (None, 100)


def test_nothing_is_known_of_a_latency_where_nothing_succeeded(written: Written) -> None:
    written.run([(1, "/a", "http_500", 5.0, 80)])
    totals = validate(build(written.open()).to_json())["levels"]["users-0010"]["totals"]
    assert set(totals["latency_ms"].values()) == {None}
    assert (totals["success_rate"], totals["error_rate"], totals["rps"]) == (0.0, 1.0, 8.0)


def test_response_codes(written: Written) -> None:
    rows = [(second, "/a", "ok", 5.0, 10) for second in range(10)]
    path = written.run([*rows, (1, "/b", "refused", 5.0, 3), (2, "/b", "http_404", 5.0, 4)]) / "responses.csv"
    create_table(path, RESPONSE_COLUMNS)
    table = TableWriter(path)
    table.append(
        [
            (1, "local", "GET", "/a", "U", "ok", "200", 60),
            (2, "local", "GET", "/a", "V", "ok", "201", 40),
            (1, "local", "GET", "/b", "U", "refused", "", 3),
            (2, "local", "GET", "/b", "U", "http_404", "404", 4),
            # After the window.
            (10, "local", "GET", "/a", "U", "ok", "200", 1000),
        ]
    )
    table.close()
    level = validate(build(written.open()).to_json())["levels"]["users-0010"]
    assert level["endpoints"]["GET /a"]["response_codes"] == {"200": 60, "201": 40}
    assert level["endpoints"]["GET /b"]["response_codes"] == {"none": 3, "404": 4}
    assert level["groups"]["all"]["response_codes"] == {"200": 60, "201": 40, "404": 4, "none": 3}


def test_response_codes_of_an_earlier_perflab_are_unknown(written: Written) -> None:
    written.run([(1, "/a", "ok", 5.0, 10)])
    assert validate(build(written.open()).to_json())["levels"]["users-0010"]["totals"]["response_codes"] is None


LEVELS = {10: 1000, 20: 3000, 30: 2000, 40: 5000}
"""Successful requests by users."""


def test_the_highest_throughput_that_misses_nothing(written: Written) -> None:
    written.limit("p95_ms", 100)
    for users, requests in LEVELS.items():
        slow = users == 40
        written.run([(second, "/a", "ok", 500.0 if slow else 5.0, requests // 10) for second in range(10)], users=users)
    # As many as at 20 users, but something is wrong with the measurement.
    written.run([(second, "/a", "ok", 5.0, 400) for second in range(10)], users=50, users_reached=49)
    document = validate(build(written.open()).to_json())
    assert [level["verdict"] for level in document["levels"].values()] == ["PASS", "PASS", "PASS", "FAIL", "INVALID"]
    assert document["max_sustainable_throughput"] == {"rps": 300.0, "level": {"kind": "users", "value": 20}}


def test_failed_requests_are_not_sustained(written: Written) -> None:
    written.limit("success_rate", 0.3)
    written.run([(second, "/a", "ok", 5.0, 30) for second in range(10)])
    written.run([(second, "/a", outcome, 5.0, 25) for second in range(10) for outcome in ("ok", "http_500")], users=20)
    document = build(written.open())
    assert [level.verdict for level in document.levels.values()] == ["PASS", "PASS"]
    assert document.max_sustainable_throughput == doc.Throughput(rps=30.0, level=Level.of_users(10))


@pytest.mark.parametrize("limit", [None, 1.0])
def test_no_throughput_is_sustained_without_an_objective_that_is_met(written: Written, limit: float | None) -> None:
    if limit:
        written.limit("p95_ms", limit)
    written.run([(second, "/a", "ok", 5.0, 100) for second in range(10)])
    document = validate(build(written.open()).to_json())
    assert document["verdict"] == ("FAIL" if limit else "PASS")
    assert document["max_sustainable_throughput"] is None


def test_a_level_is_not_judged_below_from_users(written: Written) -> None:
    written.limit("throughput_rps", 5)
    [group], [limit] = written.objectives.groups, written.objectives.limits
    narrowed = limit.model_copy(update={"from_users": 20, "endpoints": ("/a", "POST /b")})
    written.objectives = written.objectives.model_copy(update={"groups": (group,), "limits": (narrowed,)})
    for users in (10, 20):
        written.run([(second, "/a", "ok", 5.0, 100) for second in range(10)], users=users)
    levels = validate(build(written.open()).to_json())["levels"]
    assert levels["users-0010"]["objectives"] == {}
    assert levels["users-0020"]["objectives"]["shop throughput_rps"]["endpoints"] == ["/a", "POST /b"]
