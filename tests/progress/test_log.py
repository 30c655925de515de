"""load_test.log: what a log store and a person can rely on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import structlog

import perflab
from perflab.analyse.sweep import Sweep
from perflab.drive.events import Event, Progress, RunFinished, RunStarted, SweepStarted
from perflab.plan.plan import Plan
from perflab.progress import SweepLog, together
from perflab.progress.log import MAX_LINES_A_KIND, MAX_LINES_A_RUN
from perflab.store.layout import RunDir, SweepDir
from perflab.store.manifest import Evidence, RunManifest
from perflab.store.tables import TableWriter, create_tables
from perflab.vocabulary.level import Level
from perflab.vocabulary.verdict import Verdict

Line = dict[str, Any]

# Fails with as many texts as there are requests, and with everything in them that must not be told.
FAILING = """
from itertools import count
from locust import FastHttpUser, constant, task
number = count(1)
class U(FastHttpUser):
    wait_time = constant(0.005)
    @task
    def t(self):
        name = 'a,"b"\\n{"x": 1} \\u2028\\ud800 \\x1b[31m ' + str(next(number) % 5)
        with self.client.get("/broken", name=name, catch_response=True) as response:
            response.failure(
                f"{next(number)} Authorization: Bearer planted-bearer\\nCookie: session=planted-cookie\\r\\n"
                "postgresql://user:planted-dsn@db/x"
            )
    @task
    def always_the_same(self):
        self.client.get("/broken?token=planted-token")
"""


def read(path: Path) -> list[Line]:
    """The lines of a log; each must be whole and a JSON object."""
    text = path.read_bytes()
    assert text.endswith(b"\n")
    lines = [json.loads(line) for line in text.split(b"\n")[:-1]]
    assert all(isinstance(line, dict) for line in lines)
    return lines


def actions(lines: list[Line]) -> list[str]:
    return [line["event"]["action"] for line in lines]


def with_action(lines: list[Line], action: str) -> list[Line]:
    return [line for line in lines if line["event"]["action"] == action]


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, small_target: str) -> Sweep:
    """Two runs against a target that only fails."""
    folder = tmp_path_factory.mktemp("failing")
    locustfile = folder / "failing.py"
    locustfile.write_text(FAILING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOAD_TEST_SETTLE_SECONDS", "1")
        return perflab.sweep(
            f"{small_target} --password planted-launch",
            locustfile=locustfile,
            users=[5, 6],
            spawn_rate=10,
            duration=2,
            runs_dir=folder / "runs",
            progress="none",
            report=False,
        )


@pytest.fixture
def lines(failing: Sweep) -> list[Line]:
    return read(failing.dir.load_test_log)


def test_the_lines_tell_the_sweep_in_order(failing: Sweep, lines: list[Line]) -> None:
    told = [action for action in actions(lines) if action not in ("run-progress", "request-failed")]
    a_run = ["run-started", "failures-suppressed", "run-finished"]
    assert told == ["sweep-started", *a_run, *a_run, "sweep-finished", "sweep-judged"]
    started, *_, finished, judged = [line for line in lines if "run" not in line["labels"]]
    assert started["perflab"]["plan"]["users"] == [5, 6]
    assert started["url"]["full"] == failing.manifest.target.host
    assert (finished["perflab"]["status"], finished["log.level"]) == ("complete", "info")
    assert judged["perflab"] == {"verdict": failing.verdict, "reasons": failing.reasons, "notes": failing.notes}
    runs = with_action(lines, "run-finished")
    assert [run["perflab"]["requests"] for run in runs] == [
        manifest.evidence.requests_recorded for manifest in failing.run_manifests
    ]


def test_every_line_has_what_log_stores_ask_for(failing: Sweep, lines: list[Line]) -> None:
    times = [line["@timestamp"] for line in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at) for at in times)
    assert times == sorted(times)
    for line in lines:
        assert line["ecs.version"]
        assert line["message"]
        assert line["log.level"] in {"info", "warning", "error"}
        assert line["event"]["dataset"] == "perflab.load_test"
        assert line["labels"]["sweep_id"] == failing.id
    names = [name for name, _ in groupby(line["labels"].get("run") for line in lines)]
    assert names == [None, "users-0005-r1", "users-0006-r1", None]


def test_each_field_has_one_type(lines: list[Line]) -> None:
    # A log store takes a field's type from the first line that has it, and refuses lines with another.
    def flat(value: Mapping[str, Any], front: str = "") -> Iterator[tuple[str, Any]]:
        for name, inner in value.items():
            if isinstance(inner, Mapping):
                yield from flat(inner, f"{front}{name}.")
            else:
                yield front + name, inner

    kinds: dict[str, set[type]] = {}
    for line in lines:
        for name, value in flat(line):
            for item in value if isinstance(value, list) else [value]:
                kinds.setdefault(name, set()).add(type(item))
    assert {name: found for name, found in kinds.items() if len(found) != 1} == {}


def test_thousands_of_failures_leave_a_bounded_file_and_the_right_count(failing: Sweep, lines: list[Line]) -> None:
    for run in failing.dir.runs():
        failures = pd.read_csv(run.failures)
        # More than are told, however slow the machine.
        assert failures["count"].sum() > 2 * MAX_LINES_A_RUN
        of_run = [line for line in lines if line["labels"].get("run") == run.name]
        told = with_action(of_run, "request-failed")
        [suppressed] = with_action(of_run, "failures-suppressed")
        assert len(told) == MAX_LINES_A_RUN
        counted = sum(line["perflab"]["count"] for line in told)
        assert counted + suppressed["perflab"]["failures_suppressed"] == failures["count"].sum()
    assert failing.dir.load_test_log.stat().st_size < 500_000


def test_a_failure_is_told_with_its_request(lines: list[Line]) -> None:
    by_name = {line["perflab"]["request_name"]: line for line in with_action(lines, "request-failed")}
    one = by_name["/broken?token=…"]
    assert one["http"] == {"request": {"method": "GET"}, "response": {"status_code": 503}}
    assert one["error"]["type"] == "http_503"
    assert "503" in one["error"]["message"]
    assert one["perflab"]["count"] >= 1
    hostile = [name for name in by_name if name.startswith('a,"b"')]
    assert hostile
    assert all(name.startswith('a,"b"\\n{"x": 1} \\u2028\\ud800 \\x1b[31m ') for name in hostile)


def test_no_secret_is_in_it(failing: Sweep, lines: list[Line]) -> None:
    assert b"planted" not in failing.dir.load_test_log.read_bytes()
    assert "--password …" in lines[0]["perflab"]["launch"]
    # The messages that carried them are there.
    assert any("Authorization: …" in line["error"]["message"] for line in with_action(lines, "request-failed"))


def test_a_secret_in_a_table_goes_no_further(sweep: SweepDir) -> None:
    run, table = start_run(sweep)
    table.append([row(0, "/a?token=planted", "Cookie: a=planted")])
    table.close()
    with SweepLog() as log:
        for event in (started(sweep), run, finished(sweep, run.run)):
            log(event)
        log.judged(Verdict.INVALID, ["seen at postgresql://u:planted@db/x"], ["bearer planted"])
    assert b"planted" not in sweep.load_test_log.read_bytes()
    assert read(sweep.load_test_log)[-1]["perflab"]["notes"] == ["bearer …"]


# From here on without Locust: the events by hand.


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    sweep = SweepDir(tmp_path / "20261122T103000Z-made")
    sweep.path.mkdir()
    return sweep


def started(sweep: SweepDir) -> SweepStarted:
    return SweepStarted(sweep, Plan(host="http://localhost:1", locustfile=Path("f.py")), "http://localhost:1")


def start_run(sweep: SweepDir) -> tuple[RunStarted, TableWriter]:
    run = sweep.run(Level.of_users(10), 1)
    run.path.mkdir()
    create_tables(run.path, managed=False)
    return RunStarted(run, Level.of_users(10), 1, 1, 1), TableWriter(run.failures)


def progress(run: RunDir, phase: str = "steady") -> Progress:
    return Progress(run, 10, 10, phase, 1.0, 30.0, 29.0, 5.0, None, 5, 0, [])


def finished(sweep: SweepDir, run: RunDir) -> RunFinished:
    plan = Plan(host=None, locustfile=Path("f.py"))
    evidence = Evidence(error="Locust fell over")
    return RunFinished(
        run,
        RunManifest(
            sweep_id=sweep.id, level=Level.of_users(10), repeat=1, plan=plan, seed=1, status="failed", evidence=evidence
        ),
    )


def row(second: int, name: str = "/a", message: str = "m", count: int = 1) -> tuple[object, ...]:
    return (second, "GET", name, "timeout", "", message, count)


def test_what_repeats_is_told_a_few_times(sweep: SweepDir) -> None:
    run, table = start_run(sweep)
    with SweepLog() as log:
        log(started(sweep))
        log(run)
        for second in range(10):
            table.append([row(second, count=7), row(second, "/b")] if second < 5 else [row(second, count=7)])
            log(progress(run.run))
        # What came after the last look counts too.
        table.append([row(10, "/c"), row(10, count=100)])
        log(finished(sweep, run.run))
    table.close()
    lines = read(sweep.load_test_log)
    told = [
        (line["perflab"]["request_name"], line["perflab"]["second"]) for line in with_action(lines, "request-failed")
    ]
    kept = range(MAX_LINES_A_KIND)
    assert sorted(told) == [*(("/a", at) for at in kept), *(("/b", at) for at in kept), ("/c", 10)]
    [suppressed] = with_action(lines, "failures-suppressed")
    assert suppressed["perflab"] == {"failures_suppressed": 7 * 7 + 2 + 100}
    assert "status_code" not in json.dumps(lines)
    [end] = with_action(lines, "run-finished")
    assert (end["log.level"], end["event"]["outcome"]) == ("error", "failure")
    assert end["error"] == {"message": "Locust fell over"}


def test_nothing_is_said_of_suppressed_failures_where_there_are_none(sweep: SweepDir) -> None:
    run, table = start_run(sweep)
    table.append([row(0, count=1000)])
    table.close()
    with SweepLog() as log:
        for event in (started(sweep), run, finished(sweep, run.run)):
            log(event)
    assert actions(read(sweep.load_test_log)) == ["sweep-started", "run-started", "request-failed", "run-finished"]


def test_progress_is_told_every_few_seconds(sweep: SweepDir) -> None:
    run, table = start_run(sweep)
    table.close()
    with SweepLog() as log:
        log(started(sweep))
        log(run)
        for second in range(21):
            log(progress(run.run, phase=f"second {second}"))
    told = with_action(read(sweep.load_test_log), "run-progress")
    assert [line["perflab"]["phase"] for line in told] == [f"second {second}" for second in (1, 6, 11, 16)]
    assert "p95_ms" not in told[0]["perflab"]
    assert told[0]["perflab"]["rps"] == 5.0


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (KeyboardInterrupt(), "sweep-interrupted"),
        (RuntimeError("lost postgresql://u:planted@db/x\nat /a?b=planted"), "sweep-failed"),
    ],
)
def test_what_ends_a_sweep_is_its_last_line(sweep: SweepDir, error: BaseException, action: str) -> None:
    run, table = start_run(sweep)
    with pytest.raises(type(error)), SweepLog() as log:
        log(started(sweep))
        log(run)
        table.append([row(second) for second in range(9)])
        table.close()
        raise error
    *_, suppressed, last = read(sweep.load_test_log)
    assert suppressed["perflab"] == {"failures_suppressed": 9 - MAX_LINES_A_KIND}
    assert (last["event"]["action"], last["log.level"]) == (action, "error")
    assert last["error"]["type"] == type(error).__name__
    assert last["labels"] == {"run": "users-0010-r1", "sweep_id": sweep.id}
    assert b"planted" not in sweep.load_test_log.read_bytes()


def test_an_error_before_the_sweep_has_a_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(perflab.TargetError), SweepLog():
        raise perflab.TargetError("can't be reached")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("full", [False, True])
def test_a_log_that_can_not_be_written_ends_nothing(
    sweep: SweepDir, capsys: pytest.CaptureFixture[str], full: bool
) -> None:
    run, table = start_run(sweep)
    table.append([row(0)])
    table.close()
    if full:
        sweep.load_test_log.symlink_to("/dev/full")
    else:
        sweep.load_test_log.mkdir()
    seen: list[Event] = []
    with SweepLog() as log:
        listen = together(log, seen.append)
        for event in (started(sweep), run, progress(run.run), progress(run.run), finished(sweep, run.run)):
            listen(event)
        log.finished("complete")
        log.judged(Verdict.PASS, [], [])
    assert len(seen) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "load_test.log' can't be written" in err
    assert ("No space left" if full else "Is a directory") in err


def test_how_the_program_has_configured_structlog_does_not_matter_and_stays(sweep: SweepDir) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("not for perflab's log")

    structlog.configure(processors=[refuse], wrapper_class=structlog.make_filtering_bound_logger(50))
    before = structlog.get_config()
    try:
        with SweepLog() as log:
            log(started(sweep))
        assert structlog.get_config() == before
    finally:
        structlog.reset_defaults()
    assert actions(read(sweep.load_test_log)) == ["sweep-started"]


WRITER = """
import sys
from pathlib import Path
from tests.progress.test_log import SweepDir, SweepLog, progress, start_run, started
from perflab.vocabulary.level import Level
sweep = SweepDir(Path(sys.argv[1]))
with SweepLog() as log:
    log(started(sweep))
    run, _ = start_run(sweep)
    log(run)
    while True:
        log(progress(run.run))
"""


def test_a_kill_leaves_whole_lines(sweep: SweepDir) -> None:
    root = Path(__file__).parents[2]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(sweep.path)], cwd=root)
    try:
        deadline = time.monotonic() + 60
        while not sweep.load_test_log.exists() or sweep.load_test_log.stat().st_size < 20_000:
            assert time.monotonic() < deadline
            assert writer.poll() is None
            time.sleep(0.01)
    finally:
        writer.kill()
        writer.wait()
    *whole, last = sweep.load_test_log.read_bytes().split(b"\n")
    assert {json.loads(line)["labels"]["sweep_id"] for line in whole} == {sweep.id}
    assert len(whole) > 20
    assert len(last) < len(whole[-1])
