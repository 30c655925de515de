"""Texts that a locustfile or a target may make up without end, kept to so many different ones."""

from __future__ import annotations


class Known:
    """The first `most` different texts; what comes later is one more, called `further`."""

    def __init__(self, most: int, further: str) -> None:
        self._most = most
        self._further = further
        self._seen: set[str] = set()

    def of(self, text: str) -> str:
        """Return `text` if it is one of the first, or may become one."""
        if text not in self._seen:
            if len(self._seen) >= self._most:
                return self._further
            self._seen.add(text)
        return text
