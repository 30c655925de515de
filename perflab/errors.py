"""Everything perflab raises on purpose.

PerflabError                  one line for a person: what is wrong, with which value, what to do next
├── UsageError                an option, a variable or a parameter has a value that can't be used: `option`, `value`
├── TargetError               the system under test can't be reached, started or is not allowed: `host`
├── LocustfileError           the locustfile is missing, does not import, or defines no user: `path`
└── StoreError                something under runs/ is missing, damaged or of another version: `path`

What a program may want to know of an error is an attribute, None where there is no such thing: nobody has to read the
text. A verdict is never an exception: FAIL, INVALID and INCONCLUSIVE are results.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


class PerflabError(Exception):
    """Base of all errors that perflab raises on purpose; its text is one line for a person."""

    exit_code = 2
    """What the command line ends with."""

    def _render_traceback_(self) -> list[str]:
        """Show the line alone in a notebook: where in perflab it was raised helps nobody there."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(PerflabError):
    """An option, a variable or a parameter has a value that can't be used.

    `option` is what it was given by: a flag (``--users``), a variable (``LOAD_TEST_USERS``) or a place in a file.
    `value` is what was given.
    """

    def __init__(self, message: str, option: str | None = None, value: object = None) -> None:
        super().__init__(message)
        self.option = option
        self.value = value


class TargetError(PerflabError):
    """The system under test can't be reached, can't be started, or is not allowed; `host` is its name or URL."""

    def __init__(self, message: str, host: str | None = None) -> None:
        super().__init__(message)
        self.host = host


class LocustfileError(PerflabError):
    """The locustfile at `path` is missing, does not import, or defines no user class."""

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class StoreError(PerflabError):
    """What `path` names under ``runs/`` is missing, damaged, or of a version this perflab does not read."""

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError that names no file name `path`: `write` reports a full disk and knows no file."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
