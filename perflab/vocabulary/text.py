"""Texts as they leave: on one line, as long as they may be, and without secrets."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import TextIO

from perflab.vocabulary.redact import beginning, redact, redact_values

MAX_REQUEST_NAME = 500


def one_line(text: str, limit: int = 200) -> str:
    """Return `text` on one line of at most `limit` characters, encodable and without control characters."""
    clean = printable(text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def printable(text: str, keep: str = "") -> str:
    """Return `text` with all that isn't printable as escapes such as ``\\n``, but for the characters in `keep`."""
    if text.isprintable():
        return text
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in clean
    )


def say(line: str, stream: TextIO | None = None) -> None:
    """Write a line for people, to stderr as a rule: without secrets, and without what would steer a terminal."""
    stream = stream or sys.stderr
    stream.write(printable(redact_values(line)) + "\n")
    stream.flush()


def redacted_line(text: str, limit: int = 200) -> str:
    """Return what somebody else has said as it may be written down: on one line, without secrets, and shortened."""
    return one_line(redact(beginning(text)), limit)


@lru_cache(maxsize=4096)
def request_name(text: str) -> str:
    """Return a request's method or name as it is written down; names repeat, so the work is done once each."""
    return one_line(redact_values(beginning(text)), MAX_REQUEST_NAME)


def listing(what: Sequence[object], most: int = 5) -> str:
    """Return names as a list in words, the first `most` of them."""
    listed = ", ".join(str(name) for name in what[:most])
    return listed if len(what) <= most else f"{listed} and {len(what) - most} more"
