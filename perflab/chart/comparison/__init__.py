"""Charts of a comparison: a `SweepComparison` in, a `Chart` out."""

from perflab.chart.comparison.multiples import (
    comparison_over_time,
    comparison_percentiles,
    comparison_quantiles,
    comparison_runs,
)
from perflab.chart.comparison.rows import comparison_contributions, comparison_intervals

__all__ = [
    "comparison_contributions",
    "comparison_intervals",
    "comparison_over_time",
    "comparison_percentiles",
    "comparison_quantiles",
    "comparison_runs",
]
