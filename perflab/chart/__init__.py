"""Charts: a `Sweep` or a comparison in, a `Chart` out (a Figure that shows itself as SVG). Nothing is computed here."""

from perflab.chart.comparison.multiples import (
    comparison_over_time,
    comparison_percentiles,
    comparison_quantiles,
    comparison_runs,
)
from perflab.chart.comparison.rows import comparison_contributions, comparison_intervals
from perflab.chart.levels import failures, percentiles, throughput
from perflab.chart.over_time import cpu, generator, latency_over_time
from perflab.chart.style import Chart

__all__ = [
    "Chart",
    "comparison_contributions",
    "comparison_intervals",
    "comparison_over_time",
    "comparison_percentiles",
    "comparison_quantiles",
    "comparison_runs",
    "cpu",
    "failures",
    "generator",
    "latency_over_time",
    "percentiles",
    "throughput",
]


def __dir__() -> list[str]:
    return __all__
