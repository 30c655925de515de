"""Reading files that anybody may have put there or changed, and writing files whole or not at all.

Only regular files are read, and no more of them than is bearable.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from perflab.errors import naming

# Documents that people or perflab write have some kilobytes, and with many user classes some hundred.
MAX_DOCUMENT_BYTES = 16_000_000
OWN_PREFIX = ".perflab-"
"""Begins the names of what exists only while something is made: nobody else gives names like these."""


@contextmanager
def open_regular(path: Path, max_bytes: int) -> Iterator[BufferedReader]:
    """Open a regular file of at most `max_bytes` bytes for reading.

    Raises OSError, whose `strerror` says it, for anything else: a pipe or a device would be waited for, or never end.
    """
    # Opened without waiting for who writes to a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if about.st_size > max_bytes:
            raise _too_large(path, max_bytes)
        yield file


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Return what is in a regular file of at most `max_bytes` bytes; raises OSError as `open_regular`."""
    with open_regular(path, max_bytes) as file:
        # It may be growing.
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _too_large(path, max_bytes)
    return data


def _too_large(path: Path, max_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {max_bytes / 1e6:g} MB", str(path))


def read_text(path: Path, max_bytes: int = MAX_DOCUMENT_BYTES) -> str:
    """Return what is in a regular file of UTF-8 text; raises OSError as `read_bytes`, and UnicodeDecodeError."""
    return read_bytes(path, max_bytes).decode("utf-8")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a kill at any moment leaves the old or the new one; raises OSError."""
    beside = path.with_name(f"{OWN_PREFIX}{path.name}.{os.getpid()}")
    try:
        with naming(path):
            beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
