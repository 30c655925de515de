from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from perflab.errors import StoreError
from perflab.store.layout import create_sweep, find_sweep, list_sweeps

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_an_id_is_the_time_and_the_label(tmp_path: Path) -> None:
    first = create_sweep(tmp_path / "runs", "nightly", NOON)
    second = create_sweep(tmp_path / "runs", "nightly", NOON)
    assert (first.id, second.id) == ("20261122T120000Z-nightly", "20261122T120000Z-nightly-2")
    assert first.run(100, 1).name == "users-0100-r1"
    assert first.run(12000, 2).name == "users-12000-r2"


def test_runs_are_ordered_by_users(tmp_path: Path) -> None:
    sweep = create_sweep(tmp_path, "x", NOON)
    for users, repeat in [(1000, 1), (100, 2), (100, 1), (20000, 1)]:
        sweep.run(users, repeat).path.mkdir()
    (sweep.path / "users-0100-r1.bak").mkdir()
    assert [run.name for run in sweep.runs()] == ["users-0100-r1", "users-0100-r2", "users-1000-r1", "users-20000-r1"]


def test_a_sweep_is_found_by_its_beginning_and_latest(tmp_path: Path) -> None:
    early = create_sweep(tmp_path, "x", NOON)
    late = create_sweep(tmp_path, "x", NOON.replace(day=23))
    create_sweep(tmp_path, "x-2", NOON.replace(day=21))
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "zz-not-a-sweep").mkdir()
    assert find_sweep(tmp_path, "20261122").id == early.id
    assert find_sweep(tmp_path, early.id).id == early.id
    assert find_sweep(tmp_path, "latest").id == late.id
    assert len(list_sweeps(tmp_path)) == 3


@pytest.mark.parametrize("sweep_id", ["nope", "", "../runs", "2026*", "/etc", "20261122T120000Z-xy"])
def test_an_unknown_id_is_named(tmp_path: Path, sweep_id: str) -> None:
    create_sweep(tmp_path, "x", NOON)
    with pytest.raises(StoreError, match=r"no sweep|not unique"):
        find_sweep(tmp_path / "", sweep_id)


def test_an_id_that_fits_two_sweeps_is_refused(tmp_path: Path) -> None:
    create_sweep(tmp_path, "a", NOON)
    create_sweep(tmp_path, "b", NOON)
    with pytest.raises(StoreError, match="not unique"):
        find_sweep(tmp_path, "20261122")


def test_an_absent_folder_holds_no_sweep(tmp_path: Path) -> None:
    assert list_sweeps(tmp_path / "nowhere") == []
    with pytest.raises(StoreError, match="perflab sweep"):
        find_sweep(tmp_path / "nowhere", "latest")


def test_a_runs_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(StoreError, match="runs-dir"):
        create_sweep(tmp_path / "runs", "x")
