"""How numbers are written, for people."""

from __future__ import annotations

import math
from typing import NamedTuple


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


def signed(value: float, digits: int) -> str:
    """Return a number with its sign and so many decimals; what rounds to nothing is +0."""
    # Without the zero a minus sign would be left of it.
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def change(ratio: float) -> str:
    """Return a ratio as a change in per cent, such as +4.1 %."""
    return f"{signed(100 * (ratio - 1), 1)} %"


class Ratio(NamedTuple):
    """A ratio of two figures, with its bounds; a bound that is NaN, 0 or infinite is none."""

    ratio: float
    low: float
    high: float

    @property
    def inverse(self) -> Ratio:
        """The ratio of the two the other way round."""
        return Ratio(1 / self.ratio, 1 / self.high, 1 / self.low)

    @property
    def text(self) -> str:
        """The ratio as a change in per cent with its bounds, such as +4.1 % (+1.0 % to +7.3 %)."""
        low, high = self.low > 0, math.isfinite(self.high)
        if low and high:
            bounds = f"{change(self.low)} to {change(self.high)}"
        else:
            bounds = f"at least {change(self.low)}" if low else f"at most {change(self.high)}" if high else "no bounds"
        return f"{change(self.ratio)} ({bounds})"
