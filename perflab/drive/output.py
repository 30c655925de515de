"""What a child process has printed: its last line, for a message, and its log without secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

from perflab.redact import beginning, redact
from perflab.text import one_line

LONGEST = 300
_END = 64 * 1024


def shown(line: str) -> str:
    """Return a line for a message: without secrets, and at most `LONGEST` characters of it."""
    return one_line(redact(beginning(line.strip())), LONGEST)


def last_line(fd: int, without: re.Pattern[str] | None = None) -> str:
    """Return the last line with text in a file that a child may still write to, as it is shown; empty without one.

    Lines in which `without` is found are passed over. A line that begins more than 64 KiB before the end is not shown:
    its beginning may be what names a secret.
    """
    size = os.fstat(fd).st_size
    # pread, because the child shares the file's position and goes on writing at it.
    lines = os.pread(fd, _END, max(0, size - _END)).decode("utf-8", "replace").splitlines()
    whole = lines[1:] if size > _END else lines
    telling = (line for line in reversed(whole) if line.strip() and not (without and without.search(line)))
    return next(map(shown, telling), "")


def redact_log(log: Path) -> None:
    """Take out what a locustfile has printed before the recorder was there to do it; line by line, however many."""
    beside = log.with_suffix(".redacted")
    changed = False
    with (
        log.open(encoding="utf-8", errors="replace", newline="") as lines,
        beside.open("w", encoding="utf-8", newline="") as discreet,
    ):
        for line in lines:
            text = line.rstrip("\r\n")
            clean = redact(text)
            changed = changed or clean != text
            discreet.write(clean + line[len(text) :])
    if changed:
        beside.replace(log)
    else:
        beside.unlink()
