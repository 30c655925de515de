"""A comparison in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from perflab.vocabulary.verdict import Finding

TOO_FEW_RUNS = "it takes at least 2 runs on each side"
SCATTER = "open, by the scatter of requests alone, not of runs"
"""What is known of a figure that has one run on some side."""

_LATENCY = {
    Finding.SLOWER_WITHIN_MARGIN: "slower, but by less than the margin of {}",
    Finding.WITHIN_MARGIN: "no slower than the margin of {} allows",
    Finding.OPEN: "may or may not be slower by more than {}",
}
_THROUGHPUT = {
    Finding.LOWER: "fewer requests/s",
    Finding.LOWER_WITHIN_MARGIN: "fewer requests/s, but by less than the margin of {}",
    Finding.HIGHER: "more requests/s",
    Finding.WITHIN_MARGIN: "no fewer requests/s than the margin of {} allows",
    Finding.OPEN: "may or may not be fewer requests/s by more than {}",
}
_FAILURES = {
    Finding.MORE: "more requests fail",
    Finding.FEWER: "fewer requests fail",
    Finding.NO_MORE: "no more failures found",
}


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


def latency_words(finding: Finding, margin: float) -> str:
    """Return what is known of the latency of a cell, a group or an endpoint, without its figures."""
    return _LATENCY.get(finding, finding.value).format(_margin(margin))


def throughput_words(finding: Finding, margin: float) -> str:
    """Return what is known of the successful requests per second of a cell or a group, without their figures."""
    return _THROUGHPUT.get(finding, finding.value).format(_margin(margin))


def failure_words(finding: Finding) -> str:
    """Return what is known of the failure rate of a cell or a group, without its figures."""
    return _FAILURES.get(finding, finding.value)


def rates(baseline: float, candidate: float, low: float, high: float) -> str:
    """Return two failure rates with the bounds of their difference."""
    return f"{percentage(baseline)} and {percentage(candidate)} failed ({points(low)} to {points(high)} points)"


def scatter(ratio: float, low: float, high: float) -> dict[str, Any]:
    """Return what single runs say, with the interval of their requests' scatter, as the columns of a row."""
    known = {"verdict": Finding.OPEN, "words": SCATTER, "evidence": interval(ratio, low, high)}
    return {"ratio": ratio, "low": low, "high": high, **known}


def points(difference: float) -> str:
    """Return a difference of two shares in percentage points, such as +0.35."""
    return f"{difference * 100:+.2g}"


def interval(ratio: float, low: float, high: float) -> str:
    """Return a ratio with its bounds as a change; a bound that there is not is left out."""
    bounds = [f"{change(low)} to {change(high)}", f"at least {change(low)}", f"at most {change(high)}", "no bounds"]
    return f"{change(ratio)} ({bounds[2 * (not low > 0) + (not np.isfinite(high))]})"


def all_taken(additional: int | None, runs: str) -> str:
    """Return what to do after the last look; `additional` is how many more of the `runs` would have settled it."""
    if additional is None:
        return "all looks are taken, and a new comparison takes longer runs, or a wider margin"
    return f"all looks are taken; about {additional} more {runs} would probably have settled it: begin a new comparison"


def names(what: Sequence[Any]) -> str:
    """Return names as a list in words, the first five of them."""
    listed = ", ".join(str(one) for one in what[:5])
    return listed if len(what) <= 5 else f"{listed} and {len(what) - 5} more"


def _margin(share: float) -> str:
    return f"{share * 100:g} %"
