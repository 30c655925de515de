"""Taking secrets out of texts before they reach a file, a log or a report."""

from __future__ import annotations

import re

_HIDDEN = "…"
_QUERY = re.compile(r"\?[^\s'\")>]*")
_USERINFO = re.compile(r"://[^/\s@]+@")
_NAMED = r"(?:token|password|passwd|secret|api[-_]?key|cookie|authorization)[\w-]*"
_SECRETS = (
    re.compile(r"(\b(?:bearer|basic)\s+)[^\s'\",;}]+", re.IGNORECASE),
    re.compile(rf"({_NAMED}['\"]?\s*[:=]\s*['\"]?)[^\s'\",;}}&]+", re.IGNORECASE),
    re.compile(rf"(--?[\w-]*{_NAMED}\s+)\S+", re.IGNORECASE),
)


def redact(text: str) -> str:
    """Return `text` without query strings, credentials in URLs, and the values of what is named like a secret."""
    text = _USERINFO.sub(f"://{_HIDDEN}@", _QUERY.sub(f"?{_HIDDEN}", text))
    for pattern in _SECRETS:
        text = pattern.sub(rf"\1{_HIDDEN}", text)
    return text
