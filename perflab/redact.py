"""Taking secrets out of texts before they reach a file, a log or a report.

Texts come from the target and from the locustfile, and are redacted while the load is made: whatever is in them, the
time must be proportional to their length. So what repeats in a pattern never gives anything back (`*+`, `(?>...)`), or
ends where its beginning can't occur again; and a word that holds a name without a value is matched too, as a whole, so
that the search goes on after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

Step: TypeAlias = Callable[[str], str]

HIDDEN = "…"
# How much of a text is looked at where it is shortened anyway: enough to be shown when the secrets are gone.
LOOKED_AT = 2_000

# In lower case, each with what begins alike in one place: they are tried at every character.
_NAMED = (
    r"(?:token|secret|credential|p(?:ass(?:w(?:or)?d|phrase|(?<![a-z]pass)(?![a-z]))|wd|rivate[-_]?key)"
    r"|a(?:pi|ccess)[-_]?key)[\w-]*+"
)
# Quotes may be escaped: a JSON text inside of another text.
_IS = r"[\\'\"]*+\s*+[:=]\s*+"
# Who cut a text may have left a quote open.
_QUOTED = r"\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)"


def _lower(text: str) -> str:
    # Character by character: this is the only letter whose lower case is two of them.
    return text.replace("İ", "i").lower()


def _hide(pattern: str, seen_as: Step = _lower) -> Step:
    """Return what hides the one group of a pattern, which ends it; what matches without it is only passed over.

    Patterns are in lower case, as the text they are looked for in: to ignore the case takes three times as long.
    """
    find = re.compile(pattern).finditer

    def hide(text: str) -> str:
        shown, end = [], 0
        for match in find(seen_as(text)):
            if match.lastindex:
                shown.append(text[end : match.start(1)])
                end = match.end()
        return HIDDEN.join([*shown, text[end:]]) if shown else text

    return hide


_QUERY: Step = partial(re.compile(r"\?[^\s'\")>]*+").sub, f"?{HIDDEN}")
_VALUES: dict[str, Step] = {
    # To the last @ before the path: people put passwords with an @ into URLs unquoted.
    "credentials of a URL": partial(re.compile(r"://[^/\s'\"]+@").sub, f"://{HIDDEN}@"),
    "JWT": _hide(r"eyJ(?<!\weyJ)(?:([\w-]++\.[\w-]++(?:\.[\w-]*+)*+)|[\w-]*+)", seen_as=str),
    # Their values have several words.
    "header": _hide(rf"(?:cookie|authorization)[\w-]*+(?:{_IS}[\\'\"]*+([^\\'\"}}\n]++))?"),
    "scheme": _hide(r"b(?<!\wb)(?:earer|asic)\s++([^\s'\",;}]++)"),
    "named value": _hide(rf"{_NAMED}(?:{_IS}({_QUOTED}|[\\'\"]*+[^\s\\'\",;}}&]++))?"),
    # A word that is no option can have no value: then the name need not be looked for.
    "option": _hide(rf"(?<![\w-])\w*+-(?=[\w-]*+\s)(?>[\w-]*?{_NAMED})\s++({_QUOTED}|\S++)"),
}
SECRETS: dict[str, Step] = {"query": _QUERY, **_VALUES}
"""What takes each kind of secret out of a text."""
_OPEN_CREDENTIALS = re.compile(r"://[^/\s'\"]*+\Z")


def redact(text: str) -> str:
    """Return `text` without query strings, credentials in URLs, and the values of what is named like a secret."""
    return redact_values(_QUERY(text))


def redact_values(text: str) -> str:
    """Return `text` without secrets, but with what else stands in a query: request names are told apart by it."""
    for hide in _VALUES.values():
        text = hide(text)
    return text


def beginning(text: str, most: int = LOOKED_AT) -> str:
    """Return the first `most` characters of a text that is to be redacted and shortened.

    A secret that is cut in two is still recognised by what is before it; only a URL's credentials, which are recognised
    by the @ behind them, are left out.
    """
    return text if len(text) <= most else _OPEN_CREDENTIALS.sub("://", text[:most]) + HIDDEN
