from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from perflab.store.tables import (
    ALPHA,
    LATENCY_COLUMNS,
    MIN_LATENCY_MS,
    TableWriter,
    bucket_middle,
    bucket_of,
    create_table,
)


def test_a_bucket_stands_for_its_values_within_half_a_per_cent() -> None:
    rng = random.Random(1)
    for _ in range(20_000):
        latency = 10 ** rng.uniform(-3, 6)
        assert abs(bucket_middle(bucket_of(latency)) / latency - 1) <= ALPHA * 1.001


def test_buckets_are_ordered() -> None:
    middles = [bucket_middle(bucket) for bucket in range(bucket_of(MIN_LATENCY_MS), bucket_of(1e7))]
    assert middles == sorted(set(middles))


@pytest.mark.parametrize("latency", [0.0, -1.0, 1e-9])
def test_no_latency_is_too_small(latency: float) -> None:
    assert bucket_middle(bucket_of(latency)) == pytest.approx(MIN_LATENCY_MS, rel=0.01)


def test_processes_can_append_to_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    create_table(path, LATENCY_COLUMNS)
    code = (
        "import sys; from pathlib import Path; from perflab.store.tables import TableWriter\n"
        "writer = TableWriter(Path(sys.argv[1]))\n"
        "for batch in range(50): writer.append([(batch, sys.argv[2], 'GET', 'a,\"b', 'ok', 'client', 1.5, 1)] * 200)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), f"p{number}"]) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    frame = pd.read_csv(path)
    assert list(frame.columns) == list(LATENCY_COLUMNS)
    assert frame.groupby("source").size().to_dict() == {f"p{number}": 10_000 for number in range(4)}
    assert set(frame["name"]) == {'a,"b'}


def test_a_writer_never_starts_a_table_by_itself(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TableWriter(tmp_path / "latency.csv")
