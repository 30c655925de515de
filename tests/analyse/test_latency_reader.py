from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perflab.analyse import latency_lines, latency_reader
from perflab.analyse.latency_reader import read_samples
from perflab.analyse.reading import LATENCY, read_table
from perflab.analyse.samples import Recorded
from perflab.errors import StoreError
from perflab.plan.objectives import Objectives
from perflab.plan.plan import Plan
from perflab.store.layout import RunDir
from perflab.store.manifest import Evidence, RunManifest
from perflab.store.tables import LATENCY_COLUMNS, TableWriter, bucket_middle, create_table
from perflab.vocabulary.level import Level

HEADER = ",".join(LATENCY_COLUMNS) + "\n"
GOOD = "3,local,GET,/a,ok,client,12.5,2\n"
MANIFEST = RunManifest(
    sweep_id="hand",
    level=Level.of_users(1),
    repeat=1,
    plan=Plan(host="http://localhost:1", locustfile=Path("locustfile.py")),
    seed=1,
    status="complete",
    start=datetime(2026, 11, 22, tzinfo=UTC),
    evidence=Evidence(),
)

text = st.text(max_size=40) | st.sampled_from(
    ["local", "GET", "/a", "x" * 7, "x" * 8, "x" * 9, "", "ä,b", 'a"b', "\x00"]
)
row = st.tuples(
    st.integers(0, 2_000_000) | st.integers(0, 20),
    text,
    text,
    text,
    st.sampled_from(["ok", "http_500", "unanswered"]),
    st.sampled_from(["client", "wire", "connect", "fallback"]),
    st.integers(-1381, 2300).map(bucket_middle) | st.floats(0, 1e10),
    st.integers(1, 10) | st.integers(1, 1_000_000_000),
)


def read(*folders: Path) -> tuple[Recorded, list[str]]:
    return read_samples([RunDir(folder) for folder in folders], [MANIFEST] * len(folders), Objectives())


def rows(recorded: Recorded) -> list[tuple[object, ...]]:
    frame = pd.DataFrame(recorded.columns())[list(LATENCY_COLUMNS)]
    return list(frame.itertuples(index=False, name=None))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.lists(row, max_size=12).map(lambda some: some * 3), min_size=1, max_size=3),
    st.sampled_from([304, 1 << 20]),
)
def test_rows_are_what_any_reader_of_csv_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    runs: Sequence[Sequence[tuple[object, ...]]],
    block: int,
) -> None:
    """Also where a line ends beyond a block, or where lines are not plain."""
    monkeypatch.setattr(latency_lines, "_BLOCK_BYTES", block)
    folders = []
    for some in runs:
        folders.append(tmp_path_factory.mktemp("run"))
        create_table(folders[-1] / "latency.csv", LATENCY_COLUMNS)
        table = TableWriter(folders[-1] / "latency.csv")
        table.append(some)
        table.close()
    expected = pd.concat([read_table(folder / "latency.csv", LATENCY).frame for folder in folders])
    recorded, notes = read(*folders)
    assert rows(recorded) == list(expected.itertuples(index=False, name=None))
    assert notes == []
    # What is known of kinds is the sum of their rows.
    by_client = expected[expected["measure"] == "client"]
    assert recorded.kinds.count[recorded.kinds.by_client].sum() == by_client["count"].sum()
    assert rows(recorded.of_runs(*range(len(runs)))) == rows(recorded)


@pytest.mark.parametrize(
    "line",
    [
        "3,local\n",
        "\n",
        ",,,,,,,\n",
        "3;local;GET;/a;ok;client;12.5;2\n",
        "3,local,GET,/a,ok,client,12.5\n",
        "3,local,GET,/a,ok,client,12.5,2,2\n",
        "3,local,GET,/a,ok,client,1_2,2\n",
        "3,local,GET,/a,ok,client,1e99,2\n",
        "3,local,GET,/a,ok,wire,,2\n",
        "3,local,GET,/\xff,ok,client,12.5,2\n",
        "3,l\r,GET,/a,ok,client,1,1\n",
        "12345678,local,GET,/a,ok,client,1,1\n",
        "3,local,GET,/a,ok,client,12.5,12345678901\n",
    ],
)
@pytest.mark.parametrize("before", [0, 3])
def test_damage_is_reported_as_by_any_other_table(tmp_path: Path, line: str, before: int) -> None:
    path = tmp_path / "latency.csv"
    path.write_bytes((HEADER + GOOD * before + line + GOOD * 2).encode("latin-1"))
    with pytest.raises(StoreError) as expected:
        read_table(path, LATENCY)
    with pytest.raises(StoreError) as caught:
        read(tmp_path)
    assert str(caught.value) == str(expected.value)


def test_a_torn_last_line_is_dropped_and_said(tmp_path: Path) -> None:
    (tmp_path / "latency.csv").write_text(HEADER + GOOD * 2 + GOOD[:-1])
    recorded, notes = read(tmp_path)
    assert recorded.count.tolist() == [2, 2]
    assert notes == [f"{tmp_path.name}/latency.csv: torn last line dropped"]


def test_plain_lines_are_read_without_a_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which costs a third: nothing of what the recorder usually writes may be left to it."""
    monkeypatch.setattr(latency_reader, "read_run_table", None)
    path = tmp_path / "latency.csv"
    create_table(path, LATENCY_COLUMNS)
    table = TableWriter(path)
    long = "/a/rather/long/name/of/an/endpoint?with=parameters" * 9
    for second in range(0, 3_000_000, 700_001):
        table.append(
            (second, "worker-12", "POST", long, "ok", "wire", bucket_middle(at), 1000) for at in range(-1381, 2303)
        )
        table.append([(second, "worker-12", "POST", "/größe", "ok", "client", "", 3)])
    table.close()
    assert len(read(tmp_path)[0].kind) == 5 * (1381 + 2303 + 1)


@pytest.mark.parametrize("name", ["/plain", '"a,b"'])
def test_a_request_without_a_latency_counts_and_has_none(tmp_path: Path, name: str) -> None:
    """Also in lines that are not plain, which pandas reads."""
    lines = f"3,local,GET,{name},ok,client,,2\n3,local,GET,{name},ok,client,12.5,1\n"
    (tmp_path / "latency.csv").write_text(HEADER + lines)
    kinds = read(tmp_path)[0].kinds
    assert (kinds.count.sum(), kinds.count[kinds.timed].sum()) == (3, 1)
