"""The outcome of a request as one short word, and texts of locustfiles and targets as they may be recorded."""

from __future__ import annotations

import re

from perflab.plan.hosts import NOT_ALLOWED
from perflab.vocabulary.redact import LOOKED_AT
from perflab.vocabulary.text import one_line, redacted_line

UNANSWERED = "unanswered"
# Longer names are of no use, and would fill the memory. More than is checked for secrets, so that a name that ends in
# half a secret is known to be cut.
MAX_NAME = LOOKED_AT + 1

_BY_TYPE = (
    # The names cover Locust's two clients: built-in exceptions, requests, urllib3, geventhttpclient, gevent.
    ("timeout", re.compile(r"timeout|timedout", re.IGNORECASE)),
    (NOT_ALLOWED, re.compile(r"^NotAllowedError$")),
    ("refused", re.compile(r"ConnectionRefused")),
    ("dns", re.compile(r"gaierror|NameResolution")),
    ("tls", re.compile(r"SSL|Certificate")),
    (
        "reset",
        re.compile(r"ConnectionReset|ConnectionAborted|BrokenPipe|RemoteDisconnected|ConnectionClosed"),
    ),
)

_OURS = {"ok", UNANSWERED}


def classify(response: object, exception: object) -> tuple[str, int]:
    """Return (outcome, HTTP status or 0) of a finished request.

    The outcome is ``ok``, ``http_<status>``, ``timeout``, ``refused``, ``reset``, ``dns``, ``tls``, ``check`` for a
    response that the locustfile itself rejected, or the exception's class name.
    """
    status = http_status(response)
    if not _is_failure(exception):
        return "ok", status
    if status:
        return (f"http_{status}" if status >= 400 else "check"), status
    names = _names(exception)
    for outcome, pattern in _BY_TYPE:
        if any(pattern.search(name) for name in names):
            return outcome, status
    if names[0] in {"CatchResponseError", "str"}:
        return "check", status
    # An exception may have any name, but must not turn a failure into a success.
    return (f"exception {names[0]}" if names[0] in _OURS else one_line(names[0], 40)), status


def http_status(response: object) -> int:
    """Return the HTTP status of a response, 0 if it has none: a custom client's may be anything."""
    try:
        status = response.status_code  # type: ignore[attr-defined]
        return int(status) if isinstance(status, int) and 100 <= status <= 999 else 0
    except Exception:
        return 0


def _is_failure(exception: object) -> bool:
    # As in Locust's own statistics, with which ours are compared: an empty text is no failure.
    try:
        return bool(exception)
    except Exception:
        return True


def message_of(exception: object) -> str:
    """Return a failure's text on one line, without query strings, credentials or tokens."""
    return redacted_line(text_of(exception))


def name_of(value: object) -> str:
    """Return a request's method or name as text."""
    return text_of(value)[:MAX_NAME]


def text_of(value: object) -> str:
    """Return as text whatever a locustfile has put into an event."""
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8", "backslashreplace")
        # A subclass of str may do anything.
        return str.__str__(str(value))
    except Exception:
        return f"({type(value).__name__} without a text)"


def _names(exception: object) -> list[str]:
    """Return the class names of an exception and of its causes."""
    try:
        return [type(error).__name__ for error in _causes(exception)]
    except Exception:
        # Its attributes may raise anything.
        return [type(exception).__name__]


def _causes(exception: object) -> list[object]:
    """Return an exception and its causes: clients wrap the socket's own error several times."""
    causes: list[object] = []
    pending = [exception]
    while pending and len(causes) < 20:
        error = pending.pop(0)
        if error is None or any(error is seen for seen in causes):
            continue
        causes.append(error)
        if isinstance(error, BaseException):
            inner = [getattr(error, "reason", None), getattr(error, "original", None), *error.args]
            pending += [
                error.__cause__,
                error.__context__,
                *(item for item in inner if isinstance(item, BaseException)),
            ]
    return causes


class BoundedTexts:
    """Keeps the number of different texts bounded: all after the first `limit` become `overflow`."""

    def __init__(self, limit: int, overflow: str) -> None:
        self._limit = limit
        self._overflow = overflow
        self._seen: set[str] = set()

    def bound(self, text: str) -> str:
        """Return `text` if it is one of the first, else `overflow`."""
        if text not in self._seen:
            if len(self._seen) >= self._limit:
                return self._overflow
            self._seen.add(text)
        return text
