from __future__ import annotations

from pathlib import Path

import pytest

from perflab.drive.output import last_line, redact_log


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"", ""),
        (b"first\n  second  \n\n", "second"),
        (b"no end of a line", "no end of a line"),
        (b"http://h/" + b"a" * 290 + b"?token=hunter2", "http://h/" + "a" * 290 + "…"),
        # A URL's credentials are known by what comes after them.
        (b"x" * 280 + b" http://user:hunter2" + b"h" * 100 + b"@host/", "x" * 280 + " http://…@host/"),
        (b"one line\n" + b"password='" + b"hunter2 " * 10_000, ""),
    ],
)
def test_the_last_line_is_shown_without_secrets(tmp_path: Path, printed: bytes, shown: str) -> None:
    output = tmp_path / "output"
    output.write_bytes(printed)
    with output.open("rb") as file:
        assert last_line(file.fileno()) == shown


def test_a_log_keeps_its_lines_but_for_the_secrets(tmp_path: Path) -> None:
    log = tmp_path / "locust.log"
    log.write_bytes(b"password='\nplain\r\nbad \xff byte\rtoken=hunter2\nlast")
    redact_log(log)
    assert log.read_bytes() == "password=…\nplain\r\nbad \ufffd byte\rtoken=…\nlast".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["locust.log"]


def test_a_log_without_secrets_stays_byte_by_byte(tmp_path: Path) -> None:
    log = tmp_path / "locust.log"
    log.write_bytes(b"plain \xff\r\n")
    redact_log(log)
    assert log.read_bytes() == b"plain \xff\r\n"
