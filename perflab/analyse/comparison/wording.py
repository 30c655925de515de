"""A comparison in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def percentage(share: float) -> str:
    """Return a share in per cent, such as 0.35 %."""
    return f"{share * 100:.2g} %"


def change(ratio: float) -> str:
    """Return a ratio as a change in per cent, such as +4.1 %."""
    return f"{signed(100 * (ratio - 1), 1)} %"


def signed(value: float, digits: int) -> str:
    """Return a number with its sign; what rounds to nothing is +0."""
    # Without the zero a minus sign would be left of it.
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def sentence(verdict: str, ratio: float, low: float, high: float, margin: float) -> str:
    """Return what is known of one cell or endpoint, with its interval."""
    if not np.isfinite(low):
        return "not assessable: it takes at least 2 runs on each side"
    known = {
        "slower": "slower",
        "slower, within the margin": f"slower, but by less than the margin of {margin * 100:g} %",
        "faster": "faster",
        "within the margin": f"no slower than the margin of {margin * 100:g} % allows",
        "open": f"may or may not be slower by more than {margin * 100:g} %",
    }
    return f"{known[verdict]}: {interval(ratio, low, high)}"


def throughput_sentence(verdict: str, ratio: float, low: float, high: float, margin: float) -> str:
    """Return what is known of the successful requests per second of one cell or group, with its interval."""
    known = {
        "lower": "fewer requests/s",
        "lower, within the margin": f"fewer requests/s, but by less than the margin of {margin * 100:g} %",
        "higher": "more requests/s",
        "within the margin": f"no fewer requests/s than the margin of {margin * 100:g} % allows",
        "open": f"may or may not be fewer requests/s by more than {margin * 100:g} %",
    }
    return f"{known[verdict]}: {interval(ratio, low, high)}"


def rates_sentence(verdict: str, baseline: float, candidate: float, low: float, high: float) -> str:
    """Return what is known of the error rates of one cell or group, with the bounds of their difference."""
    rates = f"{percentage(baseline)} and {percentage(candidate)} failed"
    if verdict == "not assessable":
        return f"not assessable: it takes at least 2 runs on each side; {rates}"
    known = {"more": "more requests fail", "fewer": "fewer requests fail", "no more found": "no more failures found"}
    return f"{known[verdict]}: {rates} ({points(low)} to {points(high)} points)"


def scatter_sentence(ratio: float, low: float, high: float) -> str:
    """Return what single runs say, with the interval of their requests' scatter."""
    return f"open: {interval(ratio, low, high)} by the scatter of requests alone, not of runs"


def points(difference: float) -> str:
    """Return a difference of two shares in percentage points, such as +0.35."""
    return f"{difference * 100:+.2g}"


def interval(ratio: float, low: float, high: float) -> str:
    """Return a ratio with its bounds as a change; a bound that there is not is left out."""
    bounds = [f"{change(low)} to {change(high)}", f"at least {change(low)}", f"at most {change(high)}", "no bounds"]
    return f"{change(ratio)} ({bounds[2 * (not low > 0) + (not np.isfinite(high))]})"


def all_taken(further: int | None, runs: str) -> str:
    """Return what to do after the last look; `further` is how many more of the `runs` would have settled it."""
    if further is None:
        return "all looks are taken, and a new comparison takes longer runs, or a wider margin"
    return f"all looks are taken; about {further} more {runs} would probably have settled it: begin a new comparison"


def names(what: Sequence[Any]) -> str:
    """Return names as a list in words, the first five of them."""
    listed = ", ".join(str(one) for one in what[:5])
    return listed if len(what) <= 5 else f"{listed} and {len(what) - 5} more"
