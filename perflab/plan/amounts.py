"""Amounts as people, variables and notebooks write them: user counts, durations, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from perflab.errors import UsageError
from perflab.fields import LONGEST_S, MOST

DEFAULT_USERS = (100, 250, 500, 1000)
MOST_LEVELS = 1000

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+(?:\.\d+)?")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def parse_users(value: object, source: str = "--users") -> tuple[int, ...]:
    """Return user counts from ``100``, ``"100,250"``, ``"[100, 250]"`` or a sequence of whole numbers.

    Raises UsageError when one is not a positive whole number or stands there twice.
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
        raise UsageError(f"{source}: no user count given; write for example 100,250,500,1000")
    if len(items) > MOST_LEVELS:
        raise UsageError(f"{source}: {len(items)} user counts are more than {MOST_LEVELS}")
    counts = tuple(parse_count(item, source, least=1, example="100,250,500,1000") for item in items)
    for count in counts:
        if counts.count(count) > 1:
            raise UsageError(f"{source}: {count} stands there twice; to measure a level again use --repeats")
    return counts


def parse_duration(value: object, source: str = "--duration") -> float:
    """Return seconds from ``300``, ``"300s"``, ``"5m"``, ``"1h30m"``; raises UsageError when not positive."""
    text, seconds = str(value).strip().lower(), 0.0
    if isinstance(value, float):
        # Not as a text: 0.00001 would be 1e-05.
        seconds = value
    elif not isinstance(value, bool) and _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(text)
    if 0 < seconds <= LONGEST_S:
        return seconds
    raise UsageError(
        f"{source}: {quoted(value)} is not a positive duration of at most eleven days; "
        f"write for example 300s, 5m or 1h30m"
    )


def level_range(low: object, high: object, names: tuple[str, str] = ("--users-min", "--users-max")) -> tuple[int, ...]:
    """Return the levels from `low` to `high`: these two, and of 100, 250, 500 and 1000 those between them.

    Raises UsageError when one is no positive whole number, or they stand the wrong way round.
    """
    most = parse_count(high, names[1], least=1)
    least = parse_count(low, names[0], least=1)
    if least > most:
        raise UsageError(f"{names[0]} {least} is above {names[1]} {most}")
    return tuple(sorted({least, most, *(level for level in DEFAULT_USERS if least < level < most)}))


def parse_count(value: object, source: str, *, least: int, example: str | None = None) -> int:
    """Return a whole number of at least `least`; raises UsageError."""
    number: object = value
    if isinstance(value, str):
        try:
            number = int(value, 0) if value.isascii() else None
        except ValueError:
            number = None
    if isinstance(number, int) and not isinstance(number, bool) and least <= number <= MOST:
        return number
    what = "a positive whole number" if least else "a whole number of at least 0"
    hint = f"; write for example {example}" if example else ""
    raise UsageError(f"{source}: {quoted(value)} is not {what}{hint}")


def parse_number(value: object, source: str) -> float:
    """Return a positive number; raises UsageError."""
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if 1 / MOST <= number <= MOST:
        return number
    raise UsageError(f"{source}: {quoted(value)} is not a positive number; write for example 10")


def quoted(value: object) -> str:
    """Return `value` quoted on one short line: it may be anything a person or a script passed."""
    text = repr(str(value))
    return text if len(text) <= 80 else text[:77] + "..."
