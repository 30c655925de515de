"""What a child process has printed: its last line, for a message, and its log without secrets."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from perflab.vocabulary.redact import LineByLine, beginning
from perflab.vocabulary.text import discreet

LONGEST = 300
# More than a person reads; what prints more would fill the disk.
MOST_BYTES = 10_000_000
_END = 64 * 1024
_PIECE = 1024 * 1024
# In characters. A piece has more, so no line is ever put together from several.
LONGEST_LINE = 100_000


def shown(line: str) -> str:
    """Return a line for a message: without secrets, and at most `LONGEST` characters of it."""
    return discreet(line.strip(), LONGEST)


def end_of(fd: int, most: int = _END) -> str:
    """Return the last `most` bytes of a file that a child may still write to, from the beginning of a line on."""
    size = os.fstat(fd).st_size
    # pread, because the child shares the file's position and goes on writing at it.
    text = os.pread(fd, most, max(0, size - most)).decode("utf-8", "replace")
    return text.partition("\n")[2] if size > most else text


def last_line(fd: int, without: re.Pattern[str] | None = None) -> str:
    """Return the last line with text in a file that a child may still write to, as it is shown; empty without one.

    Lines in which `without` is found are passed over. A line that begins more than 64 KiB before the end is not shown:
    its beginning may be what names a secret.
    """
    lines = reversed(end_of(fd).splitlines())
    telling = (line for line in lines if line.strip() and not (without and without.search(line)))
    return next(map(shown, telling), "")


class DiscreetLog:
    """A child's output on its way into its log: line by line, without secrets, and so much of it.

    The child writes to a file without a name, which is gone with the last who has it open: whatever ends perflab, what
    a locustfile has printed is never left behind as it was.
    """

    def __init__(self, path: Path) -> None:
        """Start an empty log at `path`; give `fileno()` to the child."""
        self._log = path.open("w", encoding="utf-8", newline="")
        self._raw = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the log
        self._position = 0
        self._within_line = False
        self._full = False
        self._lines = LineByLine()

    def fileno(self) -> int:
        """Return where the child writes to."""
        return self._raw.fileno()

    def take(self, *, last: bool = False) -> None:
        """Write the lines that are whole by now, with `last` what has been begun too."""
        try:
            while not self._full and (data := self._read(last=last)) is not None:
                self._log.write("".join(map(self._discreet, data.decode("utf-8", "replace").splitlines(keepends=True))))
                if self._position > MOST_BYTES:
                    self._log.write(f"(perflab: what was printed beyond {MOST_BYTES // 10**6} MB is left out)\n")
                    self._full = True
            self._log.flush()
        except OSError:
            # On a full disk the tables are what matters, and they tell of it.
            self._full = True
        if self._full:
            # The child goes on at its position, and what lies before it takes no room any more.
            self._raw.truncate(0)

    def close(self) -> None:
        """Write what is left."""
        self.take(last=True)
        self._raw.close()
        with contextlib.suppress(OSError):
            self._log.close()

    def _read(self, *, last: bool) -> bytes | None:
        """Return the next whole lines, and of a very long one the beginning; None if there are none yet.

        In its other pieces nobody would recognise a secret that begins in the one before.
        """
        # pread, because the child shares the file's position and goes on writing at it.
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

    def _discreet(self, line: str) -> str:
        text = line.rstrip("\r\n")
        return self._lines.redact(beginning(text, LONGEST_LINE)) + line[len(text) :]
