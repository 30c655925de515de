from __future__ import annotations

from pathlib import Path

import pytest

from perflab.analyse.reading import FAILURES, GENERATOR, LATENCY, Table, read_table
from perflab.errors import StoreError
from perflab.store.tables import FAILURE_COLUMNS, LATENCY_COLUMNS, TableWriter, create_table

HEADER = ",".join(LATENCY_COLUMNS) + "\n"
GOOD = "3,local,GET,/a,ok,client,12.5,2\n"
HOSTILE = [
    "<script>alert(1)</script>",
    "a,b",
    'say "hi"',
    "$x^{",
    "/größe/日本",
    "_private",
    "NA",
    "null",
    "nan",
    "None",
    "",
    "1",
    "01",
    "1.50",
    "True",
    " padded ",
    "#comment",
    "'",
    "\\",
    "inf",
]


def test_hostile_names_survive_reading_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    create_table(path, LATENCY_COLUMNS)
    table = TableWriter(path)
    table.append((1, name, name, name, name or "ok", "client", 1.0, 1) for name in HOSTILE)
    table.close()
    frame = read_table(path, LATENCY).frame
    for column in ("source", "method", "name"):
        assert frame[column].astype("str").tolist() == HOSTILE
        assert not frame[column].isna().any()


@pytest.mark.parametrize("names", [["1", "01", "1.0"], ["True", "TRUE"], ["nan", "NaN"], ["inf", "1"], [""], ["1", ""]])
def test_names_that_all_look_like_numbers_stay_as_they_are(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "latency.csv"
    create_table(path, LATENCY_COLUMNS)
    table = TableWriter(path)
    table.append((1, "local", "GET", name, "ok", "client", 1.0, 1) for name in names)
    table.close()
    frame = read_table(path, LATENCY).frame
    assert frame["name"].astype("str").tolist() == names
    assert frame["name"].cat.categories.dtype == "str"


def test_hostile_failure_messages_survive_reading_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "failures.csv"
    create_table(path, FAILURE_COLUMNS)
    table = TableWriter(path)
    table.append((1, "GET", "/", "http_500", "", message, 1) for message in HOSTILE)
    table.close()
    frame = read_table(path, FAILURES).frame
    assert frame["message"].tolist() == HOSTILE
    assert frame["status"].astype("str").tolist() == [""] * len(HOSTILE)


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_a_torn_last_line_is_dropped_wherever_it_is_torn(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "latency.csv"
    path.write_text(HEADER + GOOD + GOOD[:cut])
    reading = read_table(path, LATENCY)
    assert reading.torn
    assert reading.frame["count"].tolist() == [2]


def test_a_torn_line_may_end_within_a_quote_or_a_character(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    for torn in ('4,local,GET,"/a,b', "4,local,GET,/größe"):
        path.write_bytes((HEADER + GOOD).encode() + torn.encode()[:-2])
        reading = read_table(path, LATENCY)
        assert (reading.torn, len(reading.frame)) == (True, 1)


@pytest.mark.parametrize("start", ["", "second", "second,source,metho", HEADER.rstrip()])
def test_a_file_torn_within_its_header_has_no_rows(tmp_path: Path, start: str) -> None:
    path = tmp_path / "latency.csv"
    path.write_text(start)
    reading = read_table(path, LATENCY)
    assert reading.torn == bool(start)
    assert reading.frame.dtypes.equals(LATENCY.empty().dtypes)


@pytest.mark.parametrize("table", [LATENCY, GENERATOR, FAILURES])
def test_a_file_without_rows_reads_as_an_empty_table(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "table.csv"
    create_table(path, tuple(table.columns))
    reading = read_table(path, table)
    assert (reading.torn, len(reading.frame)) == (False, 0)
    assert list(reading.frame.columns) == list(table.columns)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("3,local,GET,/a,ok,client,fast,2", "latency_ms is 'fast'"),
        ("3,local,GET,client,ok,wire,,2", "latency_ms is ''"),
        ("3,local,GET,/a,ok,client,nan,2", "latency_ms is 'nan'"),
        ("3,local,GET,/a,ok,client,-1,2", "latency_ms is '-1'"),
        ("3,local,GET,/a,ok,client,12.5,0", "count is '0'"),
        ("3,local,GET,/a,ok,client,12.5,-3", "count is '-3'"),
        ("3,local,GET,/a,ok,client,12.5,1.5", "count is '1.5'"),
        ("3.5,local,GET,/a,ok,client,12.5,2", "second is '3.5'"),
        ("NA,local,GET,/a,ok,client,12.5,2", "second is 'NA'"),
        ("99999999999,local,GET,/a,ok,client,12.5,2", "second is '99999999999'"),
        ("9" * 30 + ",local,GET,/a,ok,client,12.5,2", "second is '9999999"),
        ("1e308,local,GET,/a,ok,client,12.5,2", "second is '1e308'"),
        ("3,local,GET,/a,ok,client,12.5,1e308", "count is '1e308'"),
        ("3,local,GET,/a,ok,client,12.5", "expected 8 fields, found 7"),
        ("3,local,GET,/a,ok,client,12.5,2,2", "expected 8 fields, found 9"),
        ("3,local,GE" + GOOD.strip(), "expected 8 fields, found 10"),
        ("", "expected 8 fields, found 0"),
        ("\x00\x01", "expected 8 fields, found 1"),
        ('3,local,"GET,/a', "a quote in it is not closed"),
    ],
)
@pytest.mark.parametrize("before", [0, 1, 5])
def test_damage_is_reported_with_file_and_line(tmp_path: Path, line: str, what: str, before: int) -> None:
    path = tmp_path / "latency.csv"
    path.write_text(HEADER + GOOD * before + line + "\n" + GOOD * 2)
    with pytest.raises(StoreError) as caught:
        read_table(path, LATENCY)
    text = str(caught.value)
    assert text.startswith(f"'{path}', line {before + 2} is damaged ({what}")
    assert "\n" not in text


def test_a_request_may_have_no_latency(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    path.write_text(HEADER + GOOD + "3,local,GET,/a,ok,client,,4\n")
    frame = read_table(path, LATENCY).frame
    assert frame["latency_ms"].isna().tolist() == [False, True]
    assert frame["count"].tolist() == [2, 4]


def test_a_quote_that_closes_lines_later_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    # Read as CSV these two lines are one good row of eight fields.
    path.write_text(HEADER + GOOD + '3,local,"GET\n3,local",/a,ok,client,12.5,2\n' + GOOD)
    with pytest.raises(StoreError, match=r"line 3 is damaged \(a quote in it is not closed\)"):
        read_table(path, LATENCY)


def test_a_field_too_many_in_every_row_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    path.write_text(HEADER + ("7," + GOOD) * 3)
    with pytest.raises(StoreError, match=r"line 2 is damaged \(expected 8 fields, found 9\)"):
        read_table(path, LATENCY)


def test_bytes_that_are_no_text_are_reported_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    path.write_bytes((HEADER + GOOD).encode() + b"3,local,GET,/\xff\xfe,ok,client,1,1\n")
    with pytest.raises(StoreError, match=r"line 3 is damaged \(it is not UTF-8 text\)"):
        read_table(path, LATENCY)


def test_a_wrong_header_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    path.write_text("Type,Name,Request Count\n" + GOOD)
    with pytest.raises(StoreError, match=r"line 1 is damaged \(the header is 'Type,Name,Request Count'"):
        read_table(path, LATENCY)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"latency.csv' is missing"):
        read_table(tmp_path / "latency.csv", LATENCY)


def test_a_reading_of_cpu_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "generator.csv"
    path.write_text(",".join(GENERATOR.columns) + "\n1,NA,5,0,,0.1,80,5,1,1,1,1,1\n2,NA,5,0,50,,80,5,1,1,1,1,1\n")
    frame = read_table(path, GENERATOR).frame
    assert frame["cpu_percent"].isna().tolist() == [True, False]
    assert frame["source"].astype("str").tolist() == ["NA", "NA"]


def test_the_fallback_has_another_name_in_files_of_earlier_versions(tmp_path: Path) -> None:
    path = tmp_path / "latency.csv"
    path.write_text(HEADER + GOOD + GOOD.replace("client", "stand_in") + GOOD.replace("client", "later"))
    assert read_table(path, LATENCY).frame["measure"].astype("str").tolist() == ["client", "fallback", "later"]
