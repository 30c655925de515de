"""What a value may be that comes from a file: types with their bounds, each declared once.

Models hold values to them when a plan is made and when a file is read, so that whatever is written can be read.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from perflab.vocabulary.level import Level
from perflab.vocabulary.text import one_line

MAX_NUMBER = 1_000_000_000
"""Beyond this a count of users or runs is a slip of the finger."""
MAX_DURATION_S = 1_000_000.0
"""Eleven days: nothing that is planned takes longer."""
MAX_RUN_S = 3 * MAX_DURATION_S
"""Spawning may take twice as long as planned, and then the last requests are waited for."""
MAX_AMOUNT = 1e15
# Whole numbers that a float tells apart.
MAX_TOTAL = 2**53
# No document is as deep, no list or text in one as long.
MAX_DEPTH, MAX_ITEMS, MAX_TEXT, MAX_LINE = 20, 20_000, 100_000, 2000


def _in_these_times(moment: AwareDatetime) -> AwareDatetime:
    if not 2000 <= moment.year < 2200:
        raise ValueError("it lies before the year 2000 or after 2199")
    return moment


def _in_bounds(level: Level) -> Level:
    if not 1 <= level.value <= MAX_NUMBER:
        raise ValueError(f"{level.value} is not between 1 and {MAX_NUMBER}")
    return level


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has control characters")
    return text


def _on_one_line(text: Any) -> Any:
    return one_line(text, MAX_LINE) if isinstance(text, str) else text


Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Positive = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Total = Annotated[int, Field(ge=0, le=MAX_TOTAL)]
"""Of requests."""
Rate = Annotated[float, Field(gt=0, le=MAX_NUMBER)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=MAX_DURATION_S)]
OfRun = Annotated[float, Field(ge=0, le=MAX_RUN_S)]
"""Seconds since a run's start."""
Amount = Annotated[float, Field(ge=0, le=MAX_AMOUNT)]
BoundedLevel = Annotated[Level, AfterValidator(_in_bounds)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_these_times)]
Line = Annotated[str, BeforeValidator(_on_one_line)]
"""Somebody else's text, such as an exception's: whatever it is, it is taken as one line."""
Name = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_printable)]


class Record(BaseModel):
    """A value that goes into files and comes from there; it can't be changed."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


def first_problem(error: ValidationError) -> str:
    """Return on one line what is wrong first, with the place of the value."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    what = f"{place[-200:]}: {first['msg']}" if place else str(first["msg"])
    return what if what.isprintable() else ascii(what)


def parse_document(text: str) -> Any:
    """Return what a JSON text says; raises ValueError with the place of what no document of perflab has.

    These are texts that nothing can take (NUL, half a character), and numbers, texts, lists and depths beyond all
    bounds.
    """
    try:
        document = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError(f"it is more than {MAX_DEPTH} levels deep") from None
    if len(text) > MAX_ITEMS or _UNUSUAL.search(text) or _is_deeper(document, MAX_DEPTH):
        _check(document, ())
    return document


def _is_deeper(value: Any, depth: int) -> bool:
    """Say whether lists and objects are nested deeper than this."""
    inner = value.values() if isinstance(value, dict) else value
    return not depth or any(_is_deeper(one, depth - 1) for one in inner if isinstance(one, dict | list))


# In a short document only these can be beyond bounds: NUL, half a character, and a number of many digits or with an
# exponent. To look for them takes a tenth of the time that looking at each value does.
_UNUSUAL = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\s:,\[]-?\d(?:\d{17}|[\d.]*[eE])")


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _check(value: Any, place: tuple[str, ...]) -> None:
    problem = ""
    if isinstance(value, str):
        problem = _problem_of(value)
    elif isinstance(value, int | float):
        problem = "" if abs(value) <= 1e18 else "it is beyond all bounds"
    elif isinstance(value, dict | list):
        if len(place) >= MAX_DEPTH:
            problem = f"it is more than {MAX_DEPTH} levels deep"
        elif len(value) > MAX_ITEMS:
            problem = f"it has {len(value)} items"
        elif isinstance(value, dict):
            problem = next(filter(None, map(_problem_of, value)), "")
    if problem:
        raise ValueError(f"{'.'.join(place)}: {problem}" if place else problem)
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        _check(inner, (*place, str(name)))


def _problem_of(text: str) -> str:
    if len(text) > MAX_TEXT:
        return f"it has a text of {len(text)} characters"
    if "\x00" in text:
        return "it has a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it has half a character"
    return ""
