"""Values as people, variables and notebooks write them: user counts, durations, shares, paths, words.

Each parser takes a value and the name of what it was given by, a flag or a variable, and raises UsageError with both.
papermill makes numbers of whatever looks like one (2026 of ``-p label 2026``), so texts may come as numbers too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from perflab.errors import UsageError
from perflab.fields import MAX_DURATION_S, MAX_NUMBER
from perflab.vocabulary.redact import redact

DEFAULT_USERS = (100, 250, 500, 1000)
MAX_LEVELS = 1000

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+(?:\.\d+)?")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def parse_users(value: object, source: str = "--users") -> tuple[int, ...]:
    """Return user counts from ``100``, ``"100,250"``, ``"[100, 250]"`` or a sequence of whole numbers.

    Raises UsageError when one is not a positive whole number or is listed twice.
    """
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in "[(" and text[-1:] in ")]":
            text = text[1:-1]
        items: list[object] = [item.strip() for item in text.split(",")] if text else []
    elif isinstance(value, Iterable):
        items = list(value)
    else:
        items = [value]
    if not items:
        raise UsageError(f"{source}: no user count given; write for example 100,250,500,1000", source, value)
    if len(items) > MAX_LEVELS:
        raise UsageError(f"{source}: {len(items)} user counts are more than {MAX_LEVELS}", source, len(items))
    counts = tuple(parse_positive(item, source, example="100,250,500,1000") for item in items)
    for count in counts:
        if counts.count(count) > 1:
            raise UsageError(
                f"{source}: {count} is listed twice; to measure a level again use --repeats", source, count
            )
    return counts


def parse_levels(
    low: object, high: object, sources: tuple[str, str] = ("--users-min", "--users-max")
) -> tuple[int, ...]:
    """Return the levels from `low` to `high`: these two, and of 100, 250, 500 and 1000 those between them.

    Raises UsageError when one is no positive whole number, or they are the wrong way round.
    """
    most = parse_positive(high, sources[1])
    least = parse_positive(low, sources[0])
    if least > most:
        raise UsageError(f"{sources[0]} {least} is above {sources[1]} {most}", sources[0], least)
    return tuple(sorted({least, most, *(level for level in DEFAULT_USERS if least < level < most)}))


def parse_duration(value: object, source: str = "--duration") -> float:
    """Return seconds from ``300``, ``"300s"``, ``"5m"``, ``"1h30m"``; raises UsageError when not positive."""
    text, seconds = str(value).strip().lower(), 0.0
    if isinstance(value, float):
        # Not as a text: 0.00001 would be 1e-05.
        seconds = value
    elif not isinstance(value, bool) and _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(text)
    if 0 < seconds <= MAX_DURATION_S:
        return seconds
    raise _refused(value, source, "a positive duration of at most eleven days; write for example 300s, 5m or 1h30m")


def parse_count(value: object, source: str) -> int:
    """Return a whole number of at least 0; raises UsageError."""
    if (number := _whole(value)) is not None and 0 <= number <= MAX_NUMBER:
        return number
    raise _refused(value, source, "a whole number of at least 0")


def parse_positive(value: object, source: str, example: str | None = None) -> int:
    """Return a whole number of at least 1; raises UsageError, with `example` as what may be written instead."""
    if (number := _whole(value)) is not None and 1 <= number <= MAX_NUMBER:
        return number
    hint = f"; write for example {example}" if example else ""
    raise _refused(value, source, f"a positive whole number{hint}")


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        try:
            value = int(value, 0) if value.isascii() else None
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_number(value: object, source: str) -> float:
    """Return a positive number; raises UsageError."""
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if 1 / MAX_NUMBER <= number <= MAX_NUMBER:
        return number
    raise _refused(value, source, "a positive number; write for example 10")


def parse_share(value: object, source: str) -> float:
    """Return a fraction from 0.05, ``"0.05"`` or ``"5%"``; raises UsageError."""
    text = str(value).strip()
    number, percent = (text[:-1], 100) if text.endswith("%") else (text, 1)
    try:
        share = float(number) / percent
    except ValueError:
        share = -1.0
    if 0 <= share < 1:
        return share
    raise _refused(value, source, "a share from 0 to 100 %; write for example 5% or 0.05")


def parse_text(value: object, _source: str = "") -> str:
    """Return what is a text, whatever papermill made of it."""
    return str(value)


def parse_label(value: object, source: str = "--label") -> str:
    """Return a label as it may be part of a folder's name: lower case letters, digits and single dashes."""
    label = re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")[:60]
    if label:
        return label
    raise UsageError(
        f"{source} {quoted(value)} has no letter or digit; write for example {source} nightly", source, value
    )


def parse_words(value: object, source: str) -> str:
    """Return words as on a command line, from such a line or a list; raises UsageError for an open quote."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        words = [str(word) for word in value]
    else:
        try:
            words = shlex.split(str(value))
        except ValueError as error:
            shown = redact(str(value))
            raise UsageError(f"{source}: {quoted(shown)} is not a line of words: {error}", source, shown) from None
    line = shlex.join(words)
    if not is_utf8(line):
        shown = redact(line)
        raise UsageError(f"{source}: {quoted(shown)} is not UTF-8, so no result could name it", source, shown)
    return line


def parse_names(value: object) -> list[str]:
    """Return names from a list, or from a text: ``machine``, ``machine,mix``, ``["machine", "mix"]``; of None, none."""
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [str(name) for name in value]
    parts = (part.strip().strip("'\"") for part in str(value).strip().strip("[]()").split(","))
    return [part for part in parts if part]


def parse_url_path(value: object, source: str) -> str:
    """Return the path of a URL, such as ``/health``; raises UsageError."""
    if re.fullmatch(r"/[!-~]*", path := str(value)):
        return path
    raise _refused(value, source, "a path; write for example /health")


def parse_port(value: object, source: str) -> int:
    """Return the number of a port; raises UsageError."""
    if _is_port(text := str(value).strip()):
        return int(text)
    raise _refused(value, source, "a port from 1 to 65535")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536


def parse_address(value: object, source: str) -> str:
    """Return ``HOST:PORT``; raises UsageError."""
    address = re.fullmatch(r"([!-~]+):(\d+)", str(value).strip(), re.ASCII)
    if address is not None and _is_port(address[2]):
        return f"{address[1]}:{int(address[2])}"
    raise _refused(value, source, "HOST:PORT; write for example 127.0.0.1:5557")


def check_path(path: Path) -> Path:
    """Return `path`; raises UsageError for one that is not UTF-8, which no manifest and no report could name."""
    if not is_utf8(str(path)):
        raise UsageError(f"{str(path)!r} is not UTF-8, so no result could name it: rename it", value=path)
    return path


def is_utf8(text: str) -> bool:
    """Say whether a text can be written down: what the shell or a folder had in other bytes can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def quoted(value: object) -> str:
    """Return `value` quoted on one short line: it may be anything a person or a script passed."""
    text = repr(str(value))
    return text if len(text) <= 80 else text[:77] + "..."


def _refused(value: object, source: str, wanted: str) -> UsageError:
    return UsageError(f"{source}: {quoted(value)} is not {wanted}", source, value)
