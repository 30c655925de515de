"""Charts of a comparison: a `SweepComparison` in, a `Chart` out. Nothing is computed here."""

from perflab.chart.comparison.contributions import comparison_contributions
from perflab.chart.comparison.intervals import comparison_intervals
from perflab.chart.comparison.over_time import comparison_over_time
from perflab.chart.comparison.runs import comparison_runs
from perflab.chart.comparison.tail import comparison_percentiles, comparison_quantiles

__all__ = [
    "comparison_contributions",
    "comparison_intervals",
    "comparison_over_time",
    "comparison_percentiles",
    "comparison_quantiles",
    "comparison_runs",
]
