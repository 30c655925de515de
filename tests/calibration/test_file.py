"""calibration.json, and what a plan is told of it before it starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from perflab.calibration.calibration import these_versions, this_machine
from perflab.calibration.warning import beyond_ceilings, warn_of
from perflab.chart.calibration import calibration as draw
from perflab.errors import StoreError
from perflab.plan.plan import Plan
from perflab.store.calibration import (
    Calibration,
    Ceiling,
    Client,
    Step,
    prepare_folder,
    read_calibration,
)
from perflab.store.layout import RunsDir
from perflab.store.manifest import write_manifest


def ceiling(client: Client, processes: int, users: int, *, at_least: bool = False) -> Ceiling:
    steps = tuple(
        Step(
            second=2 * number,
            users=users * number / 4,
            requests_per_s=users * number / 8,
            achieved_load=0.99 if number <= 4 else 0.8,
            generator_cores=0.5,
            server_cores=0.2,
            other_cores=0.1,
            drawn_p50_ms=40.0,
            wire_p50_ms=40.1,
            drawn_p95_ms=113.8,
            wire_p95_ms=114.0,
            drawn_p99_ms=None,
            wire_p99_ms=None,
        )
        for number in range(1, 7)
    )
    return Ceiling(
        client=client,
        processes=processes,
        users=users,
        requests_per_s=users / 2,
        at_least=at_least,
        limited_by=None if at_least else "achieved load",
        other_cores=0.1,
        steps=steps,
    )


CALIBRATION = Calibration(
    created=datetime(2026, 11, 24, tzinfo=UTC),
    machine=this_machine(),
    versions=these_versions(),
    cycle_s=2.0,
    seconds=120.0,
    ceilings=(
        ceiling("HttpUser", 1, 2000),
        ceiling("HttpUser", 4, 5000),
        ceiling("FastHttpUser", 1, 6000),
        ceiling("FastHttpUser", 4, 12000, at_least=True),
    ),
)


def plan(users: int, processes: int = 1) -> Plan:
    return Plan(host="http://127.0.0.1:1", locustfile=Path("locustfile.py"), users=(10, users), processes=processes)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = RunsDir(tmp_path).calibration
    assert read_calibration(tmp_path) is None
    write_manifest(path, CALIBRATION)
    assert read_calibration(tmp_path) == CALIBRATION
    assert [file.name for file in tmp_path.iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is damaged"),
        ('{"schema_version": 1}', "is damaged"),
        ('{"schema_version": 2}', "is damaged"),
        ('{"schema_version": 0}', "has schema_version 0, this perflab reads 2"),
        ('{"schema_version": 99}', "has schema_version 99, this perflab reads 2"),
        ("\udcff", "can't be read"),
    ],
)
def test_a_damaged_file(tmp_path: Path, text: str, words: str) -> None:
    RunsDir(tmp_path).calibration.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=words):
        read_calibration(tmp_path)
    warning = warn_of(plan(10), tmp_path)
    assert warning is not None
    assert warning.startswith("the calibration is not used: ")
    assert words in warning
    assert "\n" not in warning


def test_a_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    path = RunsDir(tmp_path).calibration
    write_manifest(path, CALIBRATION)
    text = path.read_text(encoding="utf-8").replace("achieved_load", "offered")
    path.write_text(text.replace('"schema_version": 2', '"schema_version": 1'), encoding="utf-8")
    assert read_calibration(tmp_path) == CALIBRATION


def test_no_file_no_word(tmp_path: Path) -> None:
    assert warn_of(plan(1_000_000), tmp_path) is None


def test_a_file_of_this_machine(tmp_path: Path) -> None:
    write_manifest(RunsDir(tmp_path).calibration, CALIBRATION)
    assert warn_of(plan(2000), tmp_path) is None
    assert "2001 users are beyond" in str(warn_of(plan(2001), tmp_path))


def test_a_file_of_another_machine(tmp_path: Path) -> None:
    other = CALIBRATION.machine.model_copy(update={"processor": "Abacus", "cores": 64})
    write_manifest(RunsDir(tmp_path).calibration, CALIBRATION.model_copy(update={"machine": other}))
    warning = str(warn_of(plan(1_000_000), tmp_path))
    assert "is not used: it was made on another machine (Abacus, 64 cores); run perflab calibrate" in warning


def test_a_file_of_another_locust(tmp_path: Path) -> None:
    versions = {**CALIBRATION.versions, "locust": "1.0"}
    write_manifest(RunsDir(tmp_path).calibration, CALIBRATION.model_copy(update={"versions": versions}))
    warning = str(warn_of(plan(1_000_000), tmp_path))
    assert (
        f"is not used: it was made with locust 1.0, this is {CALIBRATION.versions['locust']}; run perflab calibrate"
        in warning
    )


@pytest.mark.parametrize("users", [1, 1999, 2000])
def test_below_and_at_the_ceiling(users: int) -> None:
    assert beyond_ceilings(CALIBRATION, users, 1) is None


def test_between_the_ceilings() -> None:
    assert beyond_ceilings(CALIBRATION, 3000, 1) == (
        "3000 users are beyond what HttpUser can offer here with --processes 1 (2000 users, a request every "
        "2 s each: 1000 requests/s); fine with FastHttpUser (6000 users, a request every 2 s each: 3000 requests/s)"
    )


def test_above_both() -> None:
    assert beyond_ceilings(CALIBRATION, 7000, 1) == (
        "7000 users are beyond what FastHttpUser can offer here with --processes 1 (6000 users, a request "
        "every 2 s each: 3000 requests/s, HttpUser 2000 users), so expect INVALID: use --processes, fewer users, or "
        "another machine"
    )


def test_above_what_was_seen() -> None:
    warning = str(beyond_ceilings(CALIBRATION, 20_000, 4))
    assert "20000 users are more than this machine was seen to offer with --processes 4" in warning
    assert "FastHttpUser at least 12000 users" in warning


def test_processes_that_were_not_calibrated() -> None:
    assert "with --processes 1, the nearest to 3 that was calibrated" in str(beyond_ceilings(CALIBRATION, 3000, 3))
    assert beyond_ceilings(CALIBRATION, 5000, 64) is None
    assert "with --processes 4, the nearest to 64" in str(beyond_ceilings(CALIBRATION, 5001, 64))


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=r"can't write to .*; choose another --runs-dir"):
            prepare_folder(folder)


def test_the_chart() -> None:
    nothing = ceiling("HttpUser", 2, 100).model_copy(update={"users": 0, "requests_per_s": 0.0})
    chart = draw(CALIBRATION.model_copy(update={"ceilings": (*CALIBRATION.ceilings[:3], nothing)}))
    svg = chart.to_svg()
    for text in ("HttpUser, 1 process", "FastHttpUser, 1 process", "requests/s", "at least 95 %", "no load"):
        assert text in svg
    assert "HttpUser, 1 process: 1" in chart.alt
