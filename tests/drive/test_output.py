from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from perflab.drive.output import MAX_LINE, RedactedLog, last_line


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


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[RedactedLog, Path]]:
    path = tmp_path / "locust.log"
    started = RedactedLog(path)
    yield started, path
    assert [path.name for path in tmp_path.iterdir()] == ["locust.log"]


def test_a_log_keeps_its_lines_but_for_the_secrets(log: tuple[RedactedLog, Path]) -> None:
    written, path = log
    printed = b"password='\nplain\r\nbad \xff byte\rtoken=hunter2\nlast"
    for at in range(len(printed)):
        os.write(written.fileno(), printed[at : at + 1])
        if at % 3 == 0:
            written.take()
            assert b"hunter" not in path.read_bytes()
    written.close()
    assert path.read_bytes() == "password=…\nplain\r\nbad \ufffd byte\rtoken=…\nlast".encode()


def test_a_private_key_is_no_secret_less_for_its_lines(log: tuple[RedactedLog, Path]) -> None:
    written, path = log
    os.write(written.fileno(), b"-----BEGIN RSA PRIVATE KEY-----\n")
    written.take()
    os.write(written.fileno(), b"hunter2hunter2\n-----END RSA PRIVATE KEY-----\nplain\n")
    written.close()
    assert "hunter2" not in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").endswith("\nplain\n")


def test_a_log_has_an_end(log: tuple[RedactedLog, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    written, path = log
    monkeypatch.setattr("perflab.drive.output.MAX_LOG_BYTES", 3_000_000)
    for _ in range(10):
        os.write(written.fileno(), b"a long line of nothing\n" * 50_000)
        written.take()
    # What is left out takes no room anywhere.
    assert os.fstat(written.fileno()).st_blocks * 512 < 2_000_000
    written.close()
    assert 3_000_000 < path.stat().st_size < 5_000_000
    assert "left out" in path.read_text(encoding="utf-8").splitlines()[-1]


def test_of_a_very_long_line_the_beginning_is_kept(log: tuple[RedactedLog, Path]) -> None:
    # Wherever it was cut in two, that may be within a secret.
    written, path = log
    os.write(written.fileno(), b"x" * (1024 * 1024 - 16) + b" password=hunter2hunter2 " + b"y" * 1_500_000)
    written.take()
    os.write(written.fileno(), b" hunter2\nplain\n")
    written.take()
    os.write(written.fileno(), b"x" * 2_500_000)
    written.close()
    first, second, third = path.read_text(encoding="utf-8").split("\n")
    assert (len(first), second, len(third)) == (MAX_LINE + 1, "plain", MAX_LINE + 1)
    assert "hunter2" not in first
