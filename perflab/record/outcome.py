"""What became of a request, in one short word, and a failure's message without anything secret in it."""

from __future__ import annotations

import re
from typing import Any

from perflab.redact import beginning, redact
from perflab.store.tables import one_line

_BY_TYPE = (
    # The names cover Locust's two clients: built-in exceptions, requests, urllib3, geventhttpclient, gevent.
    ("timeout", re.compile(r"timeout|timedout", re.IGNORECASE)),
    ("refused", re.compile(r"ConnectionRefused")),
    ("dns", re.compile(r"gaierror|NameResolution")),
    ("tls", re.compile(r"SSL|Certificate")),
    (
        "reset",
        re.compile(r"ConnectionReset|ConnectionAborted|BrokenPipe|RemoteDisconnected|ConnectionClosed"),
    ),
)


def classify(response: Any, exception: object) -> tuple[str, str]:
    """Return (outcome, HTTP status as text) of a finished request.

    The outcome is ``ok``, ``http_<status>``, ``timeout``, ``refused``, ``reset``, ``dns``, ``tls``, ``check`` for an
    answer that the locustfile itself refused, or the exception's class name.
    """
    status = getattr(response, "status_code", None) or 0
    shown = str(status) if status else ""
    if exception is None:
        return "ok", shown
    if status >= 400:
        return f"http_{status}", shown
    if status:
        return "check", shown
    names = [type(error).__name__ for error in _causes(exception)]
    for outcome, pattern in _BY_TYPE:
        if any(pattern.search(name) for name in names):
            return outcome, shown
    return ("check" if names[0] in {"CatchResponseError", "str"} else one_line(names[0], 40)), shown


def message_of(exception: object) -> str:
    """Return a failure's text on one line, without query strings, credentials or tokens."""
    return one_line(redact(beginning(str(exception))))


def _causes(exception: object) -> list[object]:
    """Return an exception and what lies under it: clients wrap the socket's own error several times."""
    found: list[object] = []
    todo = [exception]
    while todo and len(found) < 20:
        error = todo.pop(0)
        if error is None or any(error is seen for seen in found):
            continue
        found.append(error)
        if isinstance(error, BaseException):
            inner = [getattr(error, "reason", None), getattr(error, "original", None), *error.args]
            todo += [
                error.__cause__,
                error.__context__,
                *(item for item in inner if isinstance(item, BaseException)),
            ]
    return found
