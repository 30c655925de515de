"""A comparison's verdict, figures and changes in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from perflab.vocabulary.number import signed
from perflab.vocabulary.verdict import Finding

NOTHING = "\N{EN DASH}"
DESIGNS = {
    "separate": "runs apart from each other",
    "interleaved": "both in the same rounds, one after the other in random order",
    "duet": "both in the same rounds, at the same moment",
}
KINDS = {
    "matters": "matters: it would be taken for a change",
    "waived": "would matter, but is allowed to differ",
    "the change": "what the comparison is about",
    "listed": "not expected to matter",
}


def result(row: Mapping[Any, Any]) -> str:
    """Return what is known of a row without its figures, or why nothing is."""
    return str(row["words"]) + (f": {row['evidence']}" if row["verdict"] == Finding.NOT_ASSESSABLE else "")


def change(ratio: float | None) -> str:
    """Return a ratio as a change in per cent, such as +4.1 %; a dash for none."""
    return f"{_signed(100 * (ratio - 1), 1)} %" if ratio and _known(ratio) else NOTHING


def bounds(low: float | None, high: float | None) -> str:
    """Return the bounds of a ratio as changes in per cent."""
    lower, upper = (_signed(100 * (one - 1), 1) if one and _known(one) else "" for one in (low, high))
    return _between(lower, upper, "%")


def points(low: float | None, high: float | None) -> str:
    """Return the bounds of a difference of shares in percentage points."""
    lower, upper = (_signed(100 * one, 2) if one is not None and _known(one) else "" for one in (low, high))
    return _between(lower, upper, "points")


def difference(baseline: float, candidate: float) -> str:
    """Return the difference of two shares in percentage points; a dash where one is unknown."""
    found = candidate - baseline
    return NOTHING if math.isnan(found) else f"{_signed(100 * found, 2)} points"


def share(rate: float | None) -> str:
    """Return a share in per cent; a dash for none."""
    if rate is None or math.isnan(rate):
        return NOTHING
    return "0 %" if rate == 0 else f"{100 * rate:.2f} %" if rate >= 0.0001 else "< 0.01 %"


def percentage(fraction: float) -> str:
    """Return a fraction that somebody has set, such as 5 %."""
    return f"{100 * fraction:g} %"


def promise(alpha: float) -> str:
    """Return the error rate that a comparison keeps to."""
    return f"two equal systems are called a regression in at most {percentage(alpha)} of comparisons"


def _between(low: str, high: str, unit: str) -> str:
    if low and high:
        return f"{low} to {high} {unit}"
    return f"at least {low} {unit}" if low else f"at most {high} {unit}" if high else "no bounds"


def _signed(value: float, digits: int) -> str:
    return signed(value, digits).replace("-", "\N{MINUS SIGN}")


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
