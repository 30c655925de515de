"""Charts: a `Sweep` or a comparison in, a `Chart` out (a Figure that shows itself as SVG). Nothing is computed here."""

from perflab.chart.against_users import percentiles, throughput
from perflab.chart.comparison import (
    comparison_contributions,
    comparison_intervals,
    comparison_over_time,
    comparison_percentiles,
    comparison_quantiles,
    comparison_runs,
)
from perflab.chart.errors import errors
from perflab.chart.generator import generator
from perflab.chart.live import LivePoint, live
from perflab.chart.over_time import cpu, latency_over_time
from perflab.chart.style import Chart

__all__ = [
    "Chart",
    "LivePoint",
    "comparison_contributions",
    "comparison_intervals",
    "comparison_over_time",
    "comparison_percentiles",
    "comparison_quantiles",
    "comparison_runs",
    "cpu",
    "errors",
    "generator",
    "latency_over_time",
    "live",
    "percentiles",
    "throughput",
]
