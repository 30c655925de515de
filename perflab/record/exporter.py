"""Live metrics of a load test for Prometheus: counts and latencies of all sources, exported by the coordinator.

They are made of the same batches as the tables, each taken once, so that the counts are those of ``latency.csv``
however many processes and machines make the requests.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import gevent
from gevent.pywsgi import WSGIServer
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from perflab.record.delivery import MARK, Parcel
from perflab.record.outcome import UNANSWERED, BoundedTexts
from perflab.store.tables import HealthRow
from perflab.vocabulary.measure import LatencyCounts, Role, role_of

# Half a decade apart at the ends, closer where limits of services usually are; in seconds, as is Prometheus' custom.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0)
# Each name makes some twenty time series, at every scrape.
MAX_NAMES, OTHER_NAMES = 500, "(other names)"
LABELS = ("method", "name", "user_class", "outcome")
# The final counts are kept this long for a scraper that has asked before; most ask every 5 to 15 seconds.
LAST_SCRAPE_S = 15.0
_POLL_S = 0.05

Labels = tuple[str, ...]


class Histogram:
    """Counts by bucket (upper bounds in seconds, the last one infinite) and the sum of the observations."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float, count: int, *, at_least: bool = False) -> None:
        """Count `count` observations of a value, with `at_least` of an unknown larger one."""
        self._counts[-1 if at_least else bisect_left(self._bounds, seconds)] += count
        self.sum_s += seconds * count

    def cumulative(self) -> list[tuple[str, int]]:
        """Return (upper bound, observations up to it) in Prometheus' notation."""
        rows, running = [], 0
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            running += count
            rows.append(("+Inf" if math.isinf(bound) else f"{bound:g}", running))
        return rows


class LoadTest(Collector):
    """The metrics of one load test so far, from the batches of its sources.

    `limits_ms` are the latency limits of the objectives: each becomes the bound of a bucket, so that the share of
    requests within an objective is exact.
    """

    def __init__(self, limits_ms: Iterable[float] = (), **info: str) -> None:
        self._bounds = sorted({*BUCKETS_S, *(limit / 1000 for limit in limits_ms)})
        self._info = info
        self._requests: dict[Labels, int] = defaultdict(int)
        self._times: dict[Labels, Histogram] = defaultdict(lambda: Histogram(self._bounds))
        self._health: dict[str, dict[str, float]] = {}
        self._names = BoundedTexts(MAX_NAMES, OTHER_NAMES)

    def take(self, parcel: Parcel) -> None:
        """Add a parcel's requests, and keep its source's latest state."""
        noted: dict[Labels, LatencyCounts] = defaultdict(LatencyCounts)
        for row in parcel.batch.latency:
            # Sides of a duet change at random from round to round.
            labels: Labels = (row.method, self._names.bound(row.name), row.user_class.partition(MARK)[0], row.outcome)
            role = role_of(row.measure)
            if role is Role.COUNTS:
                self._requests[labels] += sum(row.counts)
            for latency_ms, count in zip(row.latencies_ms, row.counts, strict=True):
                if latency_ms is not None:
                    noted[labels].add(role, latency_ms, count)
        for labels, latencies in noted.items():
            for latency_ms, count in latencies.judged().items():
                # How long an unanswered request would have taken is unknown: it is within no limit.
                self._times[labels].observe(latency_ms / 1000, count, at_least=labels[-1] == UNANSWERED)
        if parcel.batch.generator:
            health = parcel.batch.generator[-1]
            self._health[parcel.source] = {name: value_of(health) for name, (_, value_of) in _GAUGES.items()}

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, each named ``load_test_...``."""
        total = CounterMetricFamily(
            "load_test_requests", "Requests that ended, unanswered ones included", labels=LABELS
        )
        time = HistogramMetricFamily(
            "load_test_response_time_seconds",
            "Response time by the wire clock, by the client's where a request has none",
            labels=LABELS,
        )
        for labels, count in self._requests.items():
            total.add_metric(labels, count)
            histogram = self._times[labels]
            time.add_metric(labels, histogram.cumulative(), histogram.sum_s)
        yield total
        yield time
        for name, (text, _) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"load_test_{name}", text, labels=("source",))
            for source, health in self._health.items():
                gauge.add_metric((source,), health[name])
            yield gauge
        info = GaugeMetricFamily("load_test_info", "Always 1; which test this is", labels=tuple(self._info))
        info.add_metric(tuple(self._info.values()), 1)
        yield info


_GAUGES: dict[str, tuple[str, Callable[[HealthRow], float]]] = {
    "users": ("Running users", lambda health: health.users),
    "users_wanted": ("Users that should be running", lambda health: health.users_wanted),
    "generator_in_flight": ("Requests under way", lambda health: health.in_flight),
    "generator_cpu_ratio": (
        "Share of one core that the generator's process uses",
        lambda health: health.cpu_percent / 100,
    ),
    "generator_lag_seconds": (
        "Median lateness of the generator's event loop",
        lambda health: health.lag_p50_ms / 1000,
    ),
    "generator_memory_bytes": ("Resident memory of the generator's process", lambda health: health.rss_mb * 1e6),
}


class Exporter:
    """Serves a load test's metrics over HTTP, and knows when they are scraped."""

    def __init__(self, load_test: LoadTest, host: str, port: int) -> None:
        """Listen at once; raises OSError when the port is taken."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(load_test)
        self.take = load_test.take
        """Add a parcel's requests."""
        self._answer = make_wsgi_app(registry)
        self._scrapes = 0
        self._server = WSGIServer((host, port), self._serve, log=None, error_log=None)
        self._server.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        port: int = self._server.server_port
        return port

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = self._answer(environ, start_response)
        self._scrapes += 1
        return body

    def wait_for_last_scrape(self) -> None:
        """Keep serving until the final metrics have been scraped once, if there were scrapes before."""
        seen = self._scrapes
        for _ in range(round(LAST_SCRAPE_S / _POLL_S) if seen else 0):
            if self._scrapes > seen:
                # The response is being written in another greenlet.
                gevent.sleep(_POLL_S)
                return
            gevent.sleep(_POLL_S)
