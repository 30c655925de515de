"""How numbers are written, for people."""

from __future__ import annotations

import math


def thousands(value: float, space: str = " ") -> str:
    """Return a number rounded to a whole one, with spaces between its thousands."""
    return f"{value:,.0f}".replace(",", space)


def significant(value: float) -> str:
    """Return four significant digits, or all whole ones of a larger number, without trailing zeros; NaN is a dash."""
    if not math.isfinite(value):
        return "\N{INFINITY}" if value > 0 else "-"
    if abs(value) >= 1000:
        return thousands(value)
    text = f"{value:.4g}"
    return f"{value:.6f}".rstrip("0").rstrip(".") if "e" in text else text


def percent(share: float) -> str:
    """Return a share from 0 to 1 in per cent, finely enough that a missed limit never looks met; NaN is a dash."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") if math.isfinite(share) else "-"


def share(rate: float | None) -> str:
    """Return how many of the requests failed, in per cent; few are never none, and a dash is for what isn't known."""
    if rate is None or math.isnan(rate):
        return "\N{EN DASH}"
    return "0 %" if rate == 0 else f"{100 * rate:.2f} %" if rate >= 0.0001 else "< 0.01 %"
