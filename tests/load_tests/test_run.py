"""`scripts/run_load_tests.sh` as its users call it, and the reports that it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from perflab.analyse.sweep import Sweep
from perflab.errors import UsageError
from perflab.store.layout import SweepDir
from perflab.vocabulary.verdict import Verdict
from tests.whole import losses

from .conftest import ROOT, Environment

SCRIPT = ROOT / "scripts" / "run_load_tests.sh"
REPORTS = {
    "locust_report.html",
    "report.html",
    "load_test_metrics.json",
    "load_test.log",
    "junit.xml",
    "summary.md",
}
TABLES = {
    *("latency.csv", "generator.csv", "failures.csv", "responses.csv"),
    *("locust_stats.csv", "locust_stats_history.csv", "locust_failures.csv", "locust_exceptions.csv"),
}


@pytest.fixture
def quick(clean_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Short settling and think times, cheap passwords, and any latency will do; runs of one's own."""
    patient = {f"{group}_P95_LATENCY_MS": "30000" for group in ("AUTH", "GENERATION", "PAYMENTS")}
    return {
        **clean_environment,
        **patient,
        "LOAD_TEST_SETTLE_SECONDS": "1",
        # Enough payments to settle theirs.
        "LOAD_TEST_WEIGHT_PAYMENTS": "50",
        "LOAD_TEST_RUNS_DIR": str(tmp_path_factory.mktemp("runs")),
        "AUTH_SUCCESS_RATE_THRESHOLD": "0.9",
        "PLATFORM_API_HASH_COST": "4",
    }


def load_test(
    environment: Environment, *options: str, cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *options], cwd=cwd, env=environment | variables, capture_output=True, text=True, timeout=200
    )


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_reports_stand_where_the_specification_says(tmp_path: Path, quick: Environment) -> None:
    # From elsewhere, into a folder named from there, with something of the user's own and an earlier test's in it.
    (tmp_path / "reports" / "users-0007-r1").mkdir(parents=True)
    (tmp_path / "reports" / "users-0007-r1" / "latency.csv").touch()
    (tmp_path / "reports" / "notes.txt").write_text("mine")
    options = ("--users-min", "14", "--users-max", "16", "--spawn-rate", "20", "--duration", "9s")
    done = load_test(quick, *options, "--output", "reports", cwd=tmp_path)
    reports = tmp_path / "reports"
    assert files(reports) == {*REPORTS, "users-0014-r1", "users-0016-r1", "notes.txt"}
    for run in ("users-0014-r1", "users-0016-r1"):
        assert files(reports / run) > TABLES
    metrics = json.loads((reports / "load_test_metrics.json").read_text())
    # Whatever the verdict on a few seconds, which a crowded machine may leave open or spoil.
    assert metrics["verdict"] in {"PASS", Verdict.INCONCLUSIVE, "INVALID"}
    assert done.returncode == metrics["exit_code"], done.stdout + done.stderr
    assert list(metrics["levels"]) == ["users-0014", "users-0016"]
    # The report of the run with the most users.
    assert (reports / "locust_report.html").read_bytes() == (
        reports / "users-0016-r1" / "locust_report.html"
    ).read_bytes()
    [sweep] = Path(quick["LOAD_TEST_RUNS_DIR"]).iterdir()
    assert losses(Sweep.open(SweepDir(sweep))) == []
    assert sweep.name == metrics["metadata"]["sweep_id"]
    for line in (reports / "load_test.log").read_text().splitlines():
        assert json.loads(line)["labels"]["sweep_id"] == sweep.name
    for name in REPORTS:
        assert str(reports / name) in done.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--users-max", "many"), "--users-max: 'many' is not a positive whole number"),
        (("--users-min", "20", "--users-max", "10"), "--users-min 20 is above --users-max 10"),
        (("--users-max", "2", "--duration", "soon"), "--duration: 'soon' is not a positive duration"),
        (("--users-max", "2", "--spawn-rate", "0"), "--spawn-rate: '0' is not a positive number"),
        (("--users-max", "2", "--host", "http://127.0.0.1:9"), "http://127.0.0.1:9 can't be reached"),
        (
            ("--users-max", "2", "--host", "https://staging.example.com"),
            "name it with --allow-host staging.example.com",
        ),
        (("--user-max", "2"), "No such option: --user-max"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    tmp_path: Path, quick: Environment, options: tuple[str, ...], complaint: str
) -> None:
    done = load_test(quick, *options, "--output", str(tmp_path / "out"))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists() or not files(tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_said_before_any_load(tmp_path: Path, quick: Environment) -> None:
    (tmp_path / "taken").touch()
    done = load_test(quick, "--users-max", "2", "--output", str(tmp_path / "taken" / "out"))
    assert done.returncode == 2
    assert "can't write reports to" in done.stderr
    assert "sweep" not in done.stderr


def test_a_bad_setting_is_named(tmp_path: Path, quick: Environment) -> None:
    done = load_test(quick, "--output", str(tmp_path / "out"), LOAD_TEST_WAIT_MIN="soon")
    assert done.returncode == 2
    assert "LOAD_TEST_WAIT_MIN='soon' is not allowed" in done.stderr


def test_a_missed_objective_exits_1_and_the_reports_are_there(tmp_path: Path, quick: Environment) -> None:
    slow = quick | {"PLATFORM_API_LATENCY": "payments=400", "PAYMENTS_P95_LATENCY_MS": "300"}
    options = ("--users-max", "20", "--spawn-rate", "20", "--duration", "4")
    done = load_test(slow, *options, "--output", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert files(tmp_path) >= REPORTS
    metrics = json.loads((tmp_path / "load_test_metrics.json").read_text())
    assert (metrics["verdict"], metrics["exit_code"]) == ("FAIL", 1)
    # One level alone without --users-min.
    assert list(metrics["levels"]) == ["users-0020"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it(tmp_path: Path, quick: Environment, number: signal.Signals) -> None:
    mark = f"PERFLAB_TEST_MARK_{os.getpid()}_{number}"
    with subprocess.Popen(
        [str(SCRIPT), "--users-max", "5", "--duration", "60", "--output", str(tmp_path)],
        cwd=ROOT,
        env=quick | {mark: "1"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "steady" in line and "requests/s" in line:
                break
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert "interrupted; what was recorded so far is kept" in process.stderr.read()
    deadline = time.monotonic() + 10
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def marked(mark: str) -> list[str]:
    """Processes that were started with this variable."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.environ() and process.pid != os.getpid():
                found.append(process.name())
        except psutil.Error:
            continue
    return found


def test_reports_of_an_earlier_sweep_can_be_made_again(tmp_path: Path, quick: Environment) -> None:
    options = ("--users-max", "5", "--spawn-rate", "20", "--duration", "2")
    first = load_test(quick, *options, "--output", str(tmp_path / "first"))
    assert first.returncode == 4, first.stderr
    sweep_id = json.loads((tmp_path / "first" / "load_test_metrics.json").read_text())["metadata"]["sweep_id"]
    script = [str(ROOT / ".venv" / "bin" / "python"), str(ROOT / "load_tests" / "report_generator.py")]
    again = subprocess.run(
        [*script, sweep_id, "--output", "again"], cwd=tmp_path, env=quick, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    assert files(tmp_path / "again") == files(tmp_path / "first")
    for name in ("load_test_metrics.json", "junit.xml", "load_test.log"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()


@pytest.mark.parametrize("script", ["data_seeder.py", "report_generator.py"])
def test_a_python_without_the_packages_is_told_where_they_are(script: str) -> None:
    # -S: nothing that is installed is seen, as by the system's python3.
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(ROOT / "load_tests" / script)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "source .venv/bin/activate" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_failed_copy_leaves_what_was_there(tmp_path: Path) -> None:
    from load_tests.report_generator import generate_reports

    output = tmp_path / "out"
    (output / "users-0005-r1").mkdir(parents=True)
    (output / "load_test_metrics.json").write_text("{}")
    with pytest.raises((OSError, UsageError)):
        generate_reports(tmp_path / "absent", output)
    assert files(output) == {"users-0005-r1", "load_test_metrics.json"}
