"""Taking secrets out of texts before they reach a file, a log or a report.

Texts come from the target and from the locustfile, and are redacted while the load is made: whatever is in them, the
time must be proportional to their length. So what repeats in a pattern never gives anything back (`*+`, `(?>...)`), or
ends where its beginning can't occur again; and a word that holds a name without a value is matched too, as a whole, so
that the search goes on after it. A pattern begins with letters, not with what stands before them: those can be looked
for quickly, and a look back comes after them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeAlias

Step: TypeAlias = Callable[[str], str]

HIDDEN = "…"
# How much of a text is looked at where it is shortened anyway: enough to be shown when the secrets are gone.
LOOKED_AT = 2_000
# A word that is cut in two may be half a secret that is known by its end, or by its length.
MAX_CUT_WORD = 300
# A text for which these don't suffice was made for it, and mustn't take more time than others.
MAX_PASSES = 4
_ENDS_OF_WORDS = " \n\t'\"(){}<>,;/?=&:"

# In lower case, each with what begins alike in one place: they are tried at every character.
_NAMED = (
    r"(?:token|credential"
    r"|s(?:ecret|ignature|ess(?:ion)?[-_]?(?:id|key)|(?:hared|torage|igning|ubscription)[-_]?key)"
    r"|p(?:ass(?:w(?:or)?d|phrase|code|(?<![a-z]pass)(?![a-z]))|wd|rivate[-_]?key)"
    r"|a(?:pi|ccess|ccount|uth)[-_.]?(?:key|code)|c(?:srf|lient[-_]?key)|xsrf|jwt(?![a-z])"
    r")[\w-]*+"
)
# Too short to be anything but the whole name.
_SHORT = r"(?:a(?<![a-z\d]a)uth|o(?<![a-z\d]o)tp|p(?<![a-z\d]p)(?:in|w)|s(?<![a-z\d]s)(?:id|ig|ess(?:ion)?))(?![\w-])"
# Quotes may be escaped (a JSON text inside of another text), a header may be two texts of a list, and a URL may be
# within another one.
_IS = r"(?:[\\'\"]*+\s*+(?:[:=]++>?|%3d|(?<=['\"]),)|[\\'\"]*+\s++value=)\s*+(?:b(?=[\\'\"]))?"
# Who cut a text may have left a quote open.
_QUOTED = r"\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)"
# Where a header may come several times, all of its values are in a list.
_LISTED = r"\[[^\]]*+(?:\]|\Z)"
_VALUE = rf"{_QUOTED}|{_LISTED}|[\\'\"]*+[^\s\\'\",;}}&]++"

# What a token of a well-known service begins with, and the least number of letters that follow. Their shapes are those
# that the rules of gitleaks and the plugins of detect-secrets know, less exact, because here nobody is woken up by a
# text that only looks like one.
_SHAPES = {
    "A": r"(?:(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}|Iza[\w-]{30,}+|KCp\w{60,}+|BSK[\w+/]{100,}+|TATT3[\w=-]{50,}+"
    r"|GE-SECRET-KEY-1\w{20,}+)",
    "d": r"(?:o[opr]_v1_\w{20,}+|api[a-f0-9]{32}|p\.(?:pt|st|ct)\.[\w.]{20,}+|uffel_(?:test|live)_[\w=-]{20,}+)",
    "E": r"(?:AA[A-Za-z0-9]{60,}+|Z[AT]K\w{40,}+)",
    "f": r"(?:o1_[\w-]{30,}+|m[12][ar]?_[\w+/]{60,}+)",
    "F": r"LWSECK(?:_TEST)?-\w{12,}+",
    "g": r"(?:h[a-z]_\w{20,}+|ithub_pat_\w{20,}+"
    r"|l(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat)-[\w.-]{20,}+|l(?:sa|c)_[\w+/]{20,}+)",
    "G": r"(?:OCSPX-[\w-]{20,}+|R1348941[\w-]{20,}+)",
    "h": r"(?:f_[A-Za-z]{30,}+|v[bs]\.[\w-]{20,}+|ooks\.slack\.com/(?:services|workflows|triggers)/[\w+/]{20,}+)",
    "H": r"RKU-[\w-]{30,}+",
    "l": r"in_(?:api|oauth)_\w{30,}+",
    "L": r"(?:TAI\w{20,}+|S0tLS1CRUdJTi[\w+/=]*+)",
    "n": r"(?:pm_\w{30,}+|tn_\w{40,}+)",
    "N": r"R(?:AK|II|JS|RA|BR)-[\w-]{19,}+",
    "o": r"ps_eyJ[\w+/]{60,}+",
    "p": r"(?:ypi-AgE[\w-]{20,}+|scale_[a-z]{2,5}_[\w=.-]{30,}+|ul-[a-f0-9]{40}|plx-\w{40,}+|nu_\w{36}"
    r"|at[\w-]{14}\.[a-f0-9]{64})",
    "P": r"MAK-[a-f0-9]{24}-[a-f0-9]{34}",
    "r": r"(?:k_(?:live|test|prod)_\w{10,}+|ubygems_[a-f0-9]{48}|dme_\w{60,}+)",
    "s": r"(?:k_(?:live|test|prod)_\w{10,}+|k-(?:[a-z]{2,9}-){0,2}+\w[\w-]{30,}+|hp(?:at|ca|pa|ss)_\w{30,}+"
    r"|q0[a-z]{3}-[\w-]{20,}+|bp_\w{40}|ntry[su]_[\w+/=]{40,}+|gp_\w{40,}+|hippo_(?:live|test)_\w{40}|ha256~[\w-]{43})",
    "S": r"(?:G\.[\w-]{16,}+\.[\w-]{16,}+|K[0-9a-f]{32})",
    "w": r"hsec_[\w+/=]{20,}+",
    "x": r"(?:ox[a-z](?:\.xox[a-z])?-[\w-]{8,}+|app-\d-[\w-]{8,}+|keysib-[\w-]{40,}+)",
    "y": r"a29\.[\w-]{20,}+",
}
_SHAPE = "|".join(f"{letter}(?<![A-Za-z0-9]{letter}){rest}" for letter, rest in _SHAPES.items())


def _lower(text: str) -> str:
    # Character by character: this is the only letter whose lower case is two of them.
    return text.replace("İ", "i").lower()


def _hide(pattern: str, seen_as: Step = _lower) -> Step:
    """Return what hides the last group of a pattern, which ends it; what matches without one is only passed over.

    Patterns are in lower case, as the text they are looked for in: to ignore the case takes three times as long.
    """
    find = re.compile(pattern).finditer

    def hide(text: str) -> str:
        shown, end = [], 0
        for match in find(seen_as(text)):
            if match.lastindex:
                shown.append(text[end : match.start(match.lastindex)])
                end = match.end()
        return HIDDEN.join([*shown, text[end:]]) if shown else text

    return hide


_QUERY: Step = partial(re.compile(r"\?[^\s'\")>]*+").sub, f"?{HIDDEN}")
# To the last @ before the path, or after a colon: people put passwords with an @ or a / into URLs unquoted.
_URL_CREDENTIALS: Step = partial(
    re.compile(r"://(?:[^/\s'\"]+@|[^/\s'\"@:]*+:(?!\d{1,5}+(?:[/?#\s'\"]|\Z))[^\s'\"@:]++@)").sub, f"://{HIDDEN}@"
)
_VALUES: dict[str, Step] = {
    "credentials of a URL": _URL_CREDENTIALS,
    "private key": _hide(
        r"-----BEGIN(?: (?!PRIVATE)\w++)*+ PRIVATE KEY(?: BLOCK)?-----([^-]*+(?:-(?!----END)[^-]*+)*+)", seen_as=str
    ),
    "JWT": _hide(r"eyJ(?<!\weyJ)(?:([\w-]++\.[\w-]++(?:\.[\w-]*+)*+)|[\w-]*+)", seen_as=str),
    "token of a known shape": _hide(f"({_SHAPE})", seen_as=str),
    # Their values have several words, of which some may be quoted: Digest username="u", response="...".
    "header": _hide(
        rf"(?:cookie|authorization)[\w-]*+(?:{_IS}[\\'\"]*+({_LISTED}|"
        r"(?:(?!b(?:asic|earer)|token)(?:[^\\'\"}\n]++|(?<==)\\*+(?:\"[^\"\n]*+(?:\"|\Z)|'[^'\n]*+(?:'|\Z)))++"
        r"|[^\\'\"}\n]++)))?"
    ),
    "scheme": _hide(
        r"b(?<!\wb)(?:earer|asic)\s++(?!tokens?(?:\s|\Z))([^\s'\",;}]++)|d(?<!\wd)igest\s++(?=\w++=)([^\n}]*+)"
    ),
    "credentials in Python": _hide(
        rf"auth(?:[\\'\"]*+\s*+[:=]\s*+)?\(\s*+(?:'[^']*+'|\"[^\"]*+\"|[\w.]++)\s*+,\s*+({_QUOTED}|[^\s()]++)"
    ),
    "named value": _hide(rf"{_NAMED}(?:{_IS}({_VALUE}))?"),
    "short name": _hide(rf"{_SHORT}(?:(?:[\\'\"]++\s*+(?:[:=]++>?|,)|=)\s*+({_VALUE}))?"),
    "parameter": _hide(r"[?&;#](?:code|key|hmac|sign|ticket|assertion|saml\w++)=([^\s'\"\\&;#]++)"),
    "element": _hide(rf"<(?=[a-z])(?=[\w:.-]*?{_NAMED})[^<>]++>([^<]++)(?:(?=<[/{HIDDEN}])|(?<={HIDDEN})\Z)"),
    # A word that is no option can have no value: then the name need not be looked for.
    "option": _hide(rf"(?<![\w-])\w*+-(?=[\w-]*+\s)(?>[\w-]*?{_NAMED})\s++({_QUOTED}|\S++)"),
    "user of an option": _hide(
        # A name has an end, or each option of many would be looked for a colon behind all others.
        r"-(?<![\w-]-)(?:u[\s=]*+|-(?:proxy-)?user[\s=]++)\\*+"
        r"(?:'[^':]{0,40}+:([^']++)|\"[^\":]{0,40}+:([^\"]++)|[^\s'\":]{1,40}+:([^\s'\"]++))"
    ),
    "password in SQL": _hide(r"(?:p(?:assword|wd)|identified\s++by)\s++('[^']*+(?:'|\Z)|\"[^\"]*+(?:\"|\Z))"),
}
SECRETS: dict[str, Step] = {"query": _QUERY, **_VALUES}
"""What takes each kind of secret out of a text."""
# Without one of these a text is a word or a path, as most request names are: nothing in it is the value of a name.
_SAYS_MORE = re.compile(r"[:=,\s<@%]")
_WITHOUT_NAME = _VALUES["JWT"], _VALUES["token of a known shape"]
_OF_KEY = re.compile(r"\s*+(?:[\w+/=]*+|[\w-]++: .*+)\s*+")
_OPEN_CREDENTIALS = re.compile(r"://[^/\s'\"]*+\Z")


def redact(text: str) -> str:
    """Return `text` without query strings, credentials in URLs, and the values of what is named like a secret."""
    return _until_settled(SECRETS.values() if _SAYS_MORE.search(text) else (_QUERY, *_WITHOUT_NAME), text)


def redact_values(text: str) -> str:
    """Return `text` without secrets, but with what else stands in a query: request names are told apart by it."""
    return _until_settled(_VALUES.values() if _SAYS_MORE.search(text) else _WITHOUT_NAME, text)


def _until_settled(hiding: Collection[Step], text: str) -> str:
    """Hide again what was changed: where one secret is hidden, what is left may look like another."""
    for _ in range(MAX_PASSES):
        before = text
        for hide in hiding:
            text = hide(text)
        if text == before:
            break
    return text


def beginning(text: str, most: int = LOOKED_AT) -> str:
    """Return the first `most` characters of a text that is to be redacted and shortened, less a word that is cut.

    A secret that is cut in two is still recognised by what is before it, but not one that is known by its length, or by
    the @ behind it.
    """
    if len(text) <= most:
        return text
    begun = _OPEN_CREDENTIALS.sub("://", text[:most])
    last = max(begun.rfind(end, most - MAX_CUT_WORD) for end in _ENDS_OF_WORDS)
    return (begun if last < 0 else begun[: last + 1]) + HIDDEN


class LineByLine:
    """Takes secrets out of a text that comes line by line: a private key has many."""

    def __init__(self) -> None:
        self._within_key = False

    def redact(self, line: str) -> str:
        """Return the next line without secrets."""
        if self._within_key and _OF_KEY.fullmatch(line):
            return HIDDEN
        begun = line.rpartition("-----BEGIN ")[2]
        self._within_key = "PRIVATE KEY" in begun and "-----END" not in begun
        return redact(line)
