"""Taking secrets out of texts before they reach a file, a log or a report."""

from __future__ import annotations

import re

HIDDEN = "…"
_QUERY = re.compile(r"\?[^\s'\")>]*")
# To the last @ before the path: people put passwords with an @ into URLs unquoted.
_USERINFO = re.compile(r"://[^/\s'\"]+@")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?")
_NAMED = (
    r"(?:token|password|passwd|passphrase|pwd|(?<![a-z])pass(?![a-z])|secret|credential|(?:api|access|private)[-_]?key)"
    r"[\w-]*"
)
# Quotes may be escaped: a JSON text inside of another text.
_IS = r"[\\'\"]*\s*[:=]\s*"
_QUOTED = r"\"[^\"]*\"|'[^']*'"
_SECRETS = (
    # Their values have several words.
    re.compile(rf"((?:cookie|authorization)[\w-]*{_IS}[\\'\"]*)[^\\'\"}}\n]+", re.IGNORECASE),
    re.compile(r"(\b(?:bearer|basic)\s+)[^\s'\",;}]+", re.IGNORECASE),
    re.compile(rf"({_NAMED}{_IS})(?:{_QUOTED}|[\\'\"]*[^\s\\'\",;}}&]+)", re.IGNORECASE),
    re.compile(rf"(--?[\w-]*{_NAMED}\s+)(?:{_QUOTED}|\S+)", re.IGNORECASE),
)


def redact(text: str) -> str:
    """Return `text` without query strings, credentials in URLs, and the values of what is named like a secret."""
    return redact_values(_QUERY.sub(f"?{HIDDEN}", text))


def redact_values(text: str) -> str:
    """Return `text` without secrets, but with what else stands in a query: request names are told apart by it."""
    text = _JWT.sub(HIDDEN, _USERINFO.sub(f"://{HIDDEN}@", text))
    for pattern in _SECRETS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text
