"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Result = Literal["ok", "warning", "problem"]
_BY_WEIGHT: tuple[Result, ...] = get_args(Result)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result, what was found, with figures and their units, and what to do; "" where there is nothing.

    A problem would end a load test or make it worthless; a warning might.
    """

    check: str
    result: Result
    found: str
    advice: str = ""


def worst(findings: Iterable[Finding]) -> Result:
    """Return the worst result of all; ``ok`` of nothing."""
    return max((finding.result for finding in findings), key=_BY_WEIGHT.index, default="ok")
