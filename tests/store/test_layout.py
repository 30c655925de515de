from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from perflab.errors import StoreError
from perflab.store.layout import SweepDir, create_ab, create_sweep, find_ab, find_sweep, is_ab, list_sweeps
from perflab.store.recorder_protocol import RunConfiguration
from perflab.vocabulary.level import Level

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_an_id_is_the_time_and_the_label(tmp_path: Path) -> None:
    first = create_sweep(tmp_path / "runs", "nightly", NOON)
    second = create_sweep(tmp_path / "runs", "nightly", NOON)
    assert (first.id, second.id) == ("20261122T120000Z-nightly", "20261122T120000Z-nightly-2")
    assert first.run(Level.of_users(100), 1).name == "users-0100-r1"
    assert first.run(Level.of_users(12000), 2).name == "users-12000-r2"


def test_runs_are_ordered_by_users(tmp_path: Path) -> None:
    sweep = create_sweep(tmp_path, "x", NOON)
    for users, repeat in [(1000, 1), (100, 2), (100, 1), (20000, 1)]:
        sweep.run(Level.of_users(users), repeat).path.mkdir()
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


def make_ab(runs_dir: Path, label: str = "ab") -> str:
    ab = create_ab(runs_dir, label)
    ab.manifest.write_text("{}")
    return ab.id


def test_the_sides_of_an_ab_comparison_are_sweeps_by_its_id(tmp_path: Path) -> None:
    ab_id = make_ab(tmp_path)
    for side in ("baseline", "candidate"):
        found = find_sweep(tmp_path, f"{ab_id}/{side}")
        assert (found.id, found.path) == (f"{ab_id}/{side}", tmp_path / ab_id / side)
        assert found.runs_dir == tmp_path
        assert find_sweep(tmp_path, f"{ab_id[:-1]}/{side}") == found
        assert find_sweep(tmp_path, f"latest/{side}") == found


def test_an_ab_comparison_is_no_sweep(tmp_path: Path) -> None:
    ab_id = make_ab(tmp_path, "zz")
    assert list_sweeps(tmp_path) == []
    with pytest.raises(StoreError, match="no sweep under"):
        find_sweep(tmp_path, "latest")
    sweep = create_sweep(tmp_path, "aa")
    assert find_sweep(tmp_path, "latest") == sweep
    for name in (ab_id, ab_id[:-1]):
        assert is_ab(tmp_path, name)
        with pytest.raises(StoreError, match=f"perflab compare {ab_id} shows it"):
            find_sweep(tmp_path, name)
    # A beginning that a sweep has too means the sweep, as ever.
    assert not is_ab(tmp_path, "2")
    assert find_sweep(tmp_path, "2") == sweep


def test_an_ab_comparison_whose_name_begins_a_sweeps(tmp_path: Path) -> None:
    ab_id = make_ab(tmp_path)
    (tmp_path / f"{ab_id}-2").mkdir()
    with pytest.raises(StoreError, match="is an A/B comparison"):
        find_sweep(tmp_path, ab_id)
    assert find_sweep(tmp_path, f"{ab_id}-2").id == f"{ab_id}-2"
    assert find_ab(tmp_path, ab_id).id == ab_id


@pytest.mark.parametrize("ab_id", ["nope/baseline", "/baseline", "../x/baseline", "a/b/candidate", "/candidate"])
def test_an_unknown_ab_comparison_is_named(tmp_path: Path, ab_id: str) -> None:
    create_sweep(tmp_path, "x")
    with pytest.raises(StoreError, match=r"no A/B comparison under|no sweep"):
        find_sweep(tmp_path, ab_id)
    make_ab(tmp_path)
    with pytest.raises(StoreError, match=r"no A/B comparison '|no sweep"):
        find_sweep(tmp_path, ab_id)


def test_a_sweep_called_baseline_elsewhere_keeps_its_name(tmp_path: Path) -> None:
    assert SweepDir(tmp_path / "baseline").id == "baseline"
    assert SweepDir(tmp_path / "20261122T103000Z-x").runs_dir == tmp_path


def test_a_comparison_lies_in_the_candidates_folder(tmp_path: Path) -> None:
    place = SweepDir(tmp_path / "20261122T103000Z-x").against("20261122T103000Z-ab/baseline")
    assert place.path == tmp_path / "20261122T103000Z-x" / "against-20261122T103000Z-ab-baseline"
    assert place.report_name == f"{tmp_path.name}/20261122T103000Z-x/{place.path.name}/report.html"


def test_the_recorder_knows_an_ab_comparisons_run_by_its_id(tmp_path: Path) -> None:
    run = SweepDir(tmp_path / "20261122T103000Z-ab" / "baseline").run(Level.of_users(100), 2)
    configuration = RunConfiguration(run_dir=str(run.path), level=Level.of_users(100), settle_s=1, duration_s=1)
    assert configuration.names == {"sweep_id": "20261122T103000Z-ab/baseline", "run": "users-0100-r2"}
