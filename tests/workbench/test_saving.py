"""Saving a result from Python leaves what the commands leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import perflab
from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.cli.app import run_command
from perflab.errors import StoreError
from perflab.results import document_of

DOCUMENTS = {"metrics.json", "junit.xml", "summary.md"}
REPORT = {"report.html", "report.ipynb"}
SMALL = Load(users=(20,), seconds=6, spawn_rate=50)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_saved_sweep_has_the_files_of_the_command(tmp_path: Path) -> None:
    sweep = perflab.open_sweep("latest", write_recorded_sweep(tmp_path, SMALL).runs_dir)
    before = set(files(sweep.dir.path))
    assert perflab.save(sweep) == sweep.dir.report_html
    saved = files(sweep.dir.path)
    assert set(saved) - before == DOCUMENTS | REPORT
    assert run_command(["report", sweep.id, "--runs-dir", str(tmp_path)]) == 0
    again = files(sweep.dir.path)
    assert {name: again[name] for name in DOCUMENTS} == {name: saved[name] for name in DOCUMENTS}


def test_json_is_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [write_recorded_sweep(tmp_path, SMALL, label=label).id for label in ("before", "after")]
    before, after = (perflab.open_sweep(sweep_id, tmp_path) for sweep_id in ids)
    perflab.save(after, report=False)
    run_command(["show", after.id, "--runs-dir", str(tmp_path), "--json"])
    shown = capsys.readouterr().out
    assert (after.dir.path / "metrics.json").read_text(encoding="utf-8") == shown
    run_command(["compare", *ids, "--runs-dir", str(tmp_path), "--json", "--no-report"])
    compared = capsys.readouterr().out
    comparison = perflab.compare(before, after)
    assert (comparison.dir.path / "comparison.json").read_text(encoding="utf-8") == compared
    assert document_of(comparison).to_json() == compared
    run_command(["check", after.id, "--against", before.id, "--runs-dir", str(tmp_path), "--json"])
    checked = json.loads(capsys.readouterr().out)
    assert (checked["sweep"], checked["comparison"]) == (json.loads(shown), json.loads(compared))


def test_a_report_that_can_not_be_made_is_said_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("no room for a report")

    monkeypatch.setattr("perflab.report.render", fail, raising=False)
    sweep = perflab.open_sweep("latest", write_recorded_sweep(tmp_path, SMALL).runs_dir)
    assert perflab.save(sweep) is None
    assert capsys.readouterr().err == "perflab: no report: no room for a report\n"
    assert set(files(sweep.dir.path)) >= DOCUMENTS
