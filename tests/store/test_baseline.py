from __future__ import annotations

from pathlib import Path

import pytest

from perflab.errors import StoreError
from perflab.store.layout import RunsDir
from perflab.store.manifest import Baseline, read_baseline, write_manifest


def test_the_baseline_is_stored_whole(tmp_path: Path) -> None:
    for sweep_id in ("20261122T103000Z-first", "20261122T103000Z-ab/candidate"):
        write_manifest(RunsDir(tmp_path).baseline, Baseline(id=sweep_id))
        assert read_baseline(tmp_path) == sweep_id
    assert list(tmp_path.iterdir()) == [RunsDir(tmp_path).baseline]


def test_without_one_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="perflab baseline set ID"):
        read_baseline(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"schema_version": 1}', '{"schema_version": 9, "id": "x"}'])
def test_a_file_that_can_not_be_used_is_named(tmp_path: Path, text: str) -> None:
    RunsDir(tmp_path).baseline.write_text(text)
    with pytest.raises(StoreError, match=r"baseline\.json"):
        read_baseline(tmp_path)
