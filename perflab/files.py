"""Reading files that anybody may have put there or changed: regular files only, and no more than is bearable."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

# Documents that people or perflab write have some kilobytes, and with many user classes some hundred.
MOST_DOCUMENT_BYTES = 16_000_000


@contextmanager
def open_regular(path: Path, most: int) -> Iterator[BufferedReader]:
    """Open a regular file of at most `most` bytes for reading.

    Raises OSError, whose `strerror` says it, for anything else: a pipe or a device would be waited for, or never end.
    """
    # Opened without waiting for who writes to a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if about.st_size > most:
            raise _too_large(path, most)
        yield file


def read_bytes(path: Path, most: int) -> bytes:
    """Return what is in a regular file of at most `most` bytes; raises OSError as `open_regular`."""
    with open_regular(path, most) as file:
        # It may be growing.
        data = file.read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


def _too_large(path: Path, most: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {most / 1e6:g} MB", str(path))


def read_text(path: Path, most: int = MOST_DOCUMENT_BYTES) -> str:
    """Return what is in a regular file of UTF-8 text; raises OSError as `read_bytes`, and UnicodeDecodeError."""
    return read_bytes(path, most).decode("utf-8")
