"""The output of a child process: its last line for a message, and its redacted log."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from perflab.vocabulary.redact import LineByLine, beginning
from perflab.vocabulary.text import redacted_line

MAX_SHOWN = 300
# More than a person reads; without a limit, output could fill the disk.
MAX_LOG_BYTES = 10_000_000
_END = 64 * 1024
_PIECE = 1024 * 1024
# In characters; less than a piece, so that no line has to be joined from several.
MAX_LINE = 100_000


def shown(line: str) -> str:
    """Return a line for a message: without secrets, and at most `MAX_SHOWN` characters of it."""
    return redacted_line(line.strip(), MAX_SHOWN)


def end_of(fd: int, max_bytes: int = _END) -> str:
    """Return the last `max_bytes` bytes of a file that a child may still write to, starting with a whole line."""
    size = os.fstat(fd).st_size
    # pread, because the child shares the file's position and keeps writing there.
    text = os.pread(fd, max_bytes, max(0, size - max_bytes)).decode("utf-8", "replace")
    return text.partition("\n")[2] if size > max_bytes else text


def last_line(fd: int, without: re.Pattern[str] | None = None) -> str:
    """Return the last non-blank line of a file that a child may still write to, as `shown`; empty without one.

    Lines that match `without` are skipped, and so is a line that begins more than 64 KiB before the end: only its
    beginning would show that it contains a secret.
    """
    lines = reversed(end_of(fd).splitlines())
    candidates = (line for line in lines if line.strip() and not (without and without.search(line)))
    return next(map(shown, candidates), "")


class RedactedLog:
    """Copies a child's output to a log: line by line, redacted, and bounded in size.

    The child writes to an unnamed file, which vanishes with the last process that has it open: however perflab ends,
    unredacted output is never left behind.
    """

    def __init__(self, path: Path) -> None:
        """Start an empty log at `path`; pass `fileno()` to the child."""
        self._log = path.open("w", encoding="utf-8", newline="")
        self._raw = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the log
        self._position = 0
        self._within_line = False
        self._full = False
        self._lines = LineByLine()

    def fileno(self) -> int:
        """Return the file descriptor for the child's output."""
        return self._raw.fileno()

    def take(self, *, last: bool = False) -> None:
        """Write the lines that are complete by now, with `last` also an incomplete one."""
        try:
            while not self._full and (data := self._read(last=last)) is not None:
                self._log.write("".join(map(self._redacted, data.decode("utf-8", "replace").splitlines(keepends=True))))
                if self._position > MAX_LOG_BYTES:
                    self._log.write(f"(perflab: what was printed beyond {MAX_LOG_BYTES // 10**6} MB is left out)\n")
                    self._full = True
            self._log.flush()
        except OSError:
            # On a full disk, the tables matter more, and they report it.
            self._full = True
        if self._full:
            # The child keeps writing at its position; what is before that takes no more space.
            self._raw.truncate(0)

    def close(self) -> None:
        """Write what is left."""
        self.take(last=True)
        self._raw.close()
        with contextlib.suppress(OSError):
            self._log.close()

    def _read(self, *, last: bool) -> bytes | None:
        """Return the next complete lines, or the beginning of a very long one; None if there are none yet.

        The rest of a very long line is dropped: a secret that begins in the piece before couldn't be recognised.
        """
        # pread, because the child shares the file's position and keeps writing there.
        data = os.pread(self._raw.fileno(), _PIECE, self._position)
        end = whole = data.rfind(b"\n") + 1
        if not whole and (last or len(data) == _PIECE):
            end = len(data)
        if not end:
            return None
        begin = 0 if not self._within_line else data.index(b"\n") if whole else end
        self._within_line = not whole
        self._position += end
        return data[begin:end]

    def _redacted(self, line: str) -> str:
        text = line.rstrip("\r\n")
        return self._lines.redact(beginning(text, MAX_LINE)) + line[len(text) :]
