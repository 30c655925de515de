from __future__ import annotations

import json
from pathlib import Path

import pytest

from perflab.errors import StoreError
from perflab.plan.plan import Plan
from perflab.store.manifest import Evidence, RunManifest, Window, read_manifest, write_manifest
from perflab.store.tables import TableWriter
from perflab.vocabulary.level import Level

PLAN = Plan(host="http://localhost:1", locustfile=Path("/x/locustfile.py"))
RUN = RunManifest(sweep_id="s", level=Level.of_users(100), repeat=1, plan=PLAN, seed=1, window=Window(start=3, end=18))


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_manifest(path, RUN)
    assert read_manifest(path, RunManifest) == RUN
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_no_secret_in_a_text_of_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    evidence = Evidence(error="http://bob:hunter2@h refused", exceptions={"token=hunter2": 1})
    plan = PLAN.model_copy(update={"launch": "serve --password hunter2", "locustfile": Path("/x?key=1/a.py")})
    write_manifest(path, RUN.model_copy(update={"evidence": evidence, "plan": plan, "suite": {"a": ["pwd=hunter2"]}}))
    assert "hunter2" not in path.read_text(encoding="utf-8")
    # A path is no text: it must lead there.
    assert read_manifest(path, RunManifest).plan.locustfile == plan.locustfile


def test_a_full_disk_is_told_of_with_the_path() -> None:
    table = TableWriter(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        table.append([(1, 2)])


def test_a_run_counts_as_interrupted_until_it_is_complete() -> None:
    assert RUN.status == "interrupted"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda _: "\x00" * 100,
        lambda text: text.replace('"value": 100', '"value": "many"'),
        lambda text: text.replace('"status": "interrupted"', '"status": "fine"'),
        lambda text: text.replace('"schema_version": 4', '"schema_version": null'),
    ],
)
def test_a_damaged_manifest_is_named_in_one_line(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "run.json"
    write_manifest(path, RUN)
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    with pytest.raises(StoreError, match=r"run\.json' is damaged") as caught:
        read_manifest(path, RunManifest)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match=r"run\.json"):
        read_manifest(path, RunManifest)


def test_another_version_is_told_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"schema_version": 7, "what": "ever"}))
    with pytest.raises(StoreError, match="schema_version 7, this perflab reads 4"):
        read_manifest(path, RunManifest)
    path.write_text(json.dumps({"schema_version": 1, "what": "ever"}))
    with pytest.raises(StoreError, match="schema_version 1, this perflab reads 4"):
        read_manifest(path, RunManifest)


def test_runs_of_earlier_versions_are_read_with_their_former_names(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_manifest(path, RUN)
    document = json.loads(path.read_text())
    document["users"] = document.pop("level")["value"]
    path.write_text(json.dumps(document | {"schema_version": 3}))
    assert read_manifest(path, RunManifest) == RUN
    counters = {"unstamped": 1, "untimed": 2, "misdated": 4}
    evidence = {**counters, "own_exit_code": 5, "sources": {"local": counters}}
    path.write_text(json.dumps(document | {"schema_version": 3, "evidence": evidence}))
    found = read_manifest(path, RunManifest).evidence
    assert found.locustfile_exit_code == 5
    for counted in (found, found.sources["local"]):
        assert (counted.without_wire_time, counted.without_latency, counted.start_corrected) == (1, 2, 4)
    source = {"pid": 7, "recorded": 9, "finished": 8, "unanswered": 1}
    evidence = {"strayed": 3, "requests_recorded": 9, "requests_finished": 8, "sources": {"worker-0": source}}
    path.write_text(json.dumps(document | {"schema_version": 2, "evidence": evidence}))
    run = read_manifest(path, RunManifest)
    assert (run.level, run.evidence.misrouted, run.evidence.requests_finished) == (RUN.level, 3, 8)
    [delivered] = run.evidence.sources.values()
    assert (delivered.requests_recorded, delivered.requests_finished, delivered.unanswered) == (9, 8, 1)
    # No source had ever reported.
    never: dict[str, object] = {"requests_finished": None, "locust_finished": None, "sources": {}}
    path.write_text(json.dumps(document | {"schema_version": 2, "evidence": never}))
    assert read_manifest(path, RunManifest).evidence == Evidence()
    path.write_text(json.dumps(document | {"schema_version": 2, "evidence": [1]}))
    with pytest.raises(StoreError, match=r"is damaged \(evidence"):
        read_manifest(path, RunManifest)


def test_an_absent_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"run\.json' is missing"):
        read_manifest(tmp_path / "run.json", RunManifest)
