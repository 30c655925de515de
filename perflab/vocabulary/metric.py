"""The metrics that tables show and objectives limit: name, unit, direction, and how a value is written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from perflab.vocabulary.number import percent, significant

Bound = Literal["at_least", "at_most"]
"""Which side of a limit is allowed."""

SIGNS: dict[Bound, str] = {"at_least": "≥", "at_most": "≤"}
PLAIN_SIGNS: dict[Bound, str] = {"at_least": ">=", "at_most": "<="}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Its `name` is that of columns, documents and objectives.toml, and ends with its unit."""

    name: str
    words: str
    """What it is called: p95, success rate."""
    unit: str
    bound: Bound
    """Which side of a limit is allowed: at_most of what is better when it is lower."""
    digits: int
    """The decimals that documents keep: finer than it is known, and coarse enough that no noise of floating point shows
    in a diff."""
    figure: Callable[[float], str] = significant
    """Writes a value without its unit."""
    most: float = float("inf")
    """The largest limit that makes sense."""
    complement: str | None = None
    """The metric that with this one makes 1."""
    selective: bool = False
    """Whether an objective may count some of the group's endpoints only, and begin at a level."""
    parameters: tuple[str, ...] = ()
    """Amounts that an objective states besides its limit, each with its unit at the end of its name: threshold_ms."""

    def amount(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{self.figure(value)} {self.unit}".rstrip()

    def called(self, parameters: Mapping[str, float]) -> str:
        """Return what it is called with its parameters: apdex (threshold 200 ms)."""
        stated = [
            f"{name.rpartition('_')[0].replace('_', ' ')} {significant(value)} {name.rpartition('_')[2]}"
            for name, value in parameters.items()
        ]
        return f"{self.words} ({', '.join(stated)})" if stated else self.words

    def limit(self, bound: Bound, value: float, signs: Mapping[Bound, str] = SIGNS) -> str:
        """Return a limit with its sign and unit."""
        return f"{signs[bound]} {self.amount(value)}"

    def interval(self, low: float | None, high: float | None) -> str:
        """Return an interval with its unit; an end that is not known is None or NaN."""
        least, most = (None if end is None or math.isnan(end) else end for end in (low, high))
        if least is not None and most is not None:
            return f"{self.figure(least)} to {self.amount(most)}"
        if least is not None:
            return f"at least {self.amount(least)}"
        return f"at most {self.amount(most)}" if most is not None else "no bounds"


@dataclass(frozen=True, slots=True)
class Percentile(Metric):
    """A percentile of latency."""

    q: float = 0.5
    """The share of requests that it bounds, such as 0.95."""
    charted: bool = True
    """Whether it is drawn and compared, or stands in tables only."""

    @classmethod
    def of(cls, percent: float, *, charted: bool = True) -> Percentile:
        """Return a percentile such as 95 or 99.9."""
        word = f"p{percent:g}"
        return cls(f"{word}_ms", word, "ms", "at_most", 3, q=round(percent / 100, 12), charted=charted)


SUCCESS_RATE = Metric("success_rate", "success rate", "%", "at_least", 6, percent, most=1.0, complement="error_rate")
ERROR_RATE = Metric("error_rate", "error rate", "%", "at_most", 6, percent, most=1.0, complement="success_rate")
THROUGHPUT = Metric("throughput_rps", "throughput", "requests/s", "at_least", 3, selective=True)

PERCENTILES = (
    Percentile.of(50),
    Percentile.of(90, charted=False),
    Percentile.of(95),
    Percentile.of(99),
)
"""Those that every table and document has."""
CHARTED = tuple(metric for metric in PERCENTILES if metric.charted)
"""Those that are drawn and compared."""

METRICS: dict[str, Metric] = {metric.name: metric for metric in (SUCCESS_RATE, ERROR_RATE, THROUGHPUT)}
"""Those that an objective may limit besides a percentile, by their names."""
_PERCENTILES = {metric.name: metric for metric in PERCENTILES}
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)_ms")


def known_metrics() -> str:
    """Return what an objective may limit, for a message or a description."""
    return f"{', '.join(METRICS)}, or a percentile such as {Percentile.of(95).name}"


def find_metric(name: str) -> Metric | None:
    """Return the metric of a name, None if there is none; any percentile may be named, such as ``p99.9_ms``."""
    if (named := METRICS.get(name) or _PERCENTILES.get(name)) is not None:
        return named
    match = _PERCENTILE.fullmatch(name)
    return Percentile.of(float(match[1])) if match else None


def metric_of(name: str) -> Metric:
    """Return the metric of a name; raises KeyError if there is none."""
    if (found := find_metric(name)) is None:
        raise KeyError(name)
    return found


def percentile_of(name: str) -> Percentile:
    """Return the percentile of a name; raises KeyError if it is none."""
    if not isinstance(found := find_metric(name), Percentile):
        raise KeyError(name)
    return found
