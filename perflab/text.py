"""Texts as they leave: on one line, as long as they may be, and without secrets."""

from __future__ import annotations

from functools import lru_cache

from perflab.redact import beginning, redact_values

MOST_OF_A_NAME = 500


def one_line(text: str, limit: int = 200) -> str:
    """Return `text` on one line of at most `limit` characters, encodable and without control characters."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if not clean.isprintable():
        clean = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in clean)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


@lru_cache(maxsize=4096)
def request_name(text: str) -> str:
    """Return a request's method or name as it is written down; names repeat, so the work is done once each."""
    return one_line(redact_values(beginning(text)), MOST_OF_A_NAME)
