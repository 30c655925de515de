"""Charts: a `Sweep` in, a `Chart` out (a matplotlib Figure that shows itself as SVG). Nothing is computed here."""

from perflab.chart.against_users import percentiles, throughput
from perflab.chart.errors import errors
from perflab.chart.generator import generator
from perflab.chart.live import LivePoint, live
from perflab.chart.over_time import cpu, latency_over_time
from perflab.chart.style import Chart

__all__ = ["Chart", "LivePoint", "cpu", "errors", "generator", "latency_over_time", "live", "percentiles", "throughput"]
