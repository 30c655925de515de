"""Everything perflab raises on purpose.

PerflabError                  one line for a person: what is wrong, with which value, what to do next
├── UsageError                an option, a variable or a parameter has a value that can't be used
├── TargetError               the system under test can't be reached, started or is not allowed
├── LocustfileError           the locustfile is missing, does not import, or defines no user
└── StoreError                something under runs/ is missing, damaged or of another version

A verdict is never an exception: FAIL, INVALID and INCONCLUSIVE are results.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


class PerflabError(Exception):
    """Base of all errors that perflab raises on purpose; its text is one line for a person."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        """Show the line alone in a notebook: where in perflab it was raised helps nobody there."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(PerflabError):
    """An option, a variable or a notebook parameter has a value that can't be used."""


class TargetError(PerflabError):
    """The system under test can't be reached, can't be started, or is not allowed."""


class LocustfileError(PerflabError):
    """The locustfile is missing, does not import, or defines no user class."""


class StoreError(PerflabError):
    """A file under ``runs/`` is missing, damaged, or of a version this perflab does not read."""


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have an OSError that names no file name `path`: a full disk is told of by `write`, which knows none."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
