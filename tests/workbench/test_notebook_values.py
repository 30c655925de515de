"""Parameters as papermill casts them mean the same as on the command line, for what is no number at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from papermill.cli import _resolve_type

import perflab
from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.errors import UsageError
from perflab.plan.parse import parse_names
from perflab.store.layout import SweepDir


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, []),
        ("", []),
        ([], []),
        ("machine", ["machine"]),
        ("machine, mix", ["machine", "mix"]),
        ("['machine', \"mix\"]", ["machine", "mix"]),
        (["machine"], ["machine"]),
        (("a", 3), ["a", "3"]),
        (2026, ["2026"]),
    ],
)
def test_a_list_may_be_a_text(value: object, names: list[str]) -> None:
    assert parse_names(value) == names


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sweeps in a folder whose name is a number; each begins with a number of its own."""
    runs = tmp_path_factory.mktemp("given") / "2026"
    for number in (20260101, 20260202):
        made = write_recorded_sweep(runs, Load(users=(2,), seconds=3))
        shutil.move(made.path, runs / f"{number}T000000Z-sweep")
        manifest = SweepDir(runs / f"{number}T000000Z-sweep").manifest
        manifest.write_text(manifest.read_text().replace(made.id, f"{number}T000000Z-sweep"))
    return runs


def test_ids_and_folders_that_look_like_numbers(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.parent)
    folder, first, second = map(_resolve_type, ("2026", "20260101", "20260202"))
    assert {type(value) for value in (folder, first, second)} == {int}
    assert perflab.open_sweep(first, folder).id == "20260101T000000Z-sweep"
    comparison = perflab.compare(first, second, runs_dir=folder, margin=_resolve_type("0.1"), allow_different="machine")
    assert (comparison.baseline.id[:8], comparison.candidate.id[:8]) == ("20260101", "20260202")
    with pytest.raises(UsageError, match="nothing called 'nonsense'"):
        perflab.compare(first, second, runs_dir=folder, allow_different="nonsense")


def test_a_target_or_a_label_that_looks_like_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "3").write_text("")
    with pytest.raises(perflab.TargetError, match="'8000' is neither a URL"):
        perflab.sweep(_resolve_type("8000"), locustfile=_resolve_type("3"), label=_resolve_type("1.5"))
