"""Simulated services whose latencies are known and depend on each other: queues, open and closed.

Each serves 100 requests a second at most. A simulated run is the second in which each request began, and its latency
in ms, from the steady state on.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from scipy import optimize, stats

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Run: TypeAlias = tuple[Ints, Floats]

CAPACITY = 100.0  # requests per second
# Runs that are simulated together: a vector a request.
TOGETHER = 100
# A queue that starts empty needs many times its relaxation time, which grows with 1 / (1 - sqrt(utilisation))^2.
_WARM_UP_RELAXATIONS = 15.0


@dataclass(frozen=True)
class Queue(ABC):
    """A queue at one `utilisation`, a share of its capacity that is asked for on average."""

    utilisation: float

    @property
    def arrivals(self) -> float:
        """Requests per second."""
        return self.utilisation * CAPACITY

    @property
    def warm_up_s(self) -> float:
        """Seconds until the queue's start is forgotten."""
        return max(10.0, _WARM_UP_RELAXATIONS / (CAPACITY * (1 - math.sqrt(self.utilisation)) ** 2))

    @abstractmethod
    def exceeding(self, ms: float) -> float:
        """Return the true share of requests that take longer than `ms`."""

    def percentile(self, q: float) -> float:
        """Return the true percentile `q`, a fraction, in ms."""
        return float(optimize.brentq(lambda ms: self.exceeding(ms) - (1 - q), 1e-6, 1e6))

    def runs(self, seconds: int, number: int, rng: np.random.Generator) -> Iterator[Run]:
        """Yield independent runs of so many seconds."""
        for first in range(0, number, TOGETHER):
            began, ended = self._simulated(seconds + self.warm_up_s, min(TOGETHER, number - first), rng)
            for column in range(began.shape[1]):
                since = began[:, column] - self.warm_up_s
                inside = (since >= 0) & (since < seconds)
                # To the nanosecond: what waits for nothing takes the same time to the last digit.
                latency = np.round(1000 * (ended[inside, column] - began[inside, column]), 6)
                yield since[inside].astype("int64"), latency

    @abstractmethod
    def _simulated(self, seconds: float, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return when each request began and ended, in seconds: a row per request, a column per run."""

    def _began(self, seconds: float, runs: int, rng: np.random.Generator) -> Floats:
        """Return Poisson arrivals, enough of them for so many seconds."""
        expected = self.arrivals * seconds
        return np.cumsum(rng.exponential(1 / self.arrivals, (int(expected + 8 * expected**0.5) + 20, runs)), axis=0)


@dataclass(frozen=True)
class Independent(Queue):
    """No queue: log-normal latencies that depend on nothing, at Poisson arrivals."""

    def exceeding(self, ms: float) -> float:
        """See `Queue`."""
        return float(stats.lognorm.sf(ms, 0.8, scale=10.0))

    def _simulated(self, seconds: float, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        began = self._began(seconds, runs, rng)
        return began, began + rng.lognormal(np.log(0.010), 0.8, began.shape)


@dataclass(frozen=True)
class SingleServer(Queue):
    """M/M/1: Poisson arrivals, exponential service; the time in the system is exponential."""

    def exceeding(self, ms: float) -> float:
        """See `Queue`."""
        return float(np.exp(-(CAPACITY - self.arrivals) * ms / 1000))

    def _simulated(self, seconds: float, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        began = self._began(seconds, runs, rng)
        service = self._service(began.shape, rng)
        # Lindley's recursion, solved: what waits is the sum of services less gaps, above its lowest so far.
        grown = np.cumsum(np.vstack([np.zeros(runs), service[:-1] - np.diff(began, axis=0)]), axis=0)
        return began, began + grown - np.minimum.accumulate(np.minimum(grown, 0), axis=0) + service

    def _service(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        return rng.exponential(1 / CAPACITY, shape)


@dataclass(frozen=True)
class ConstantService(SingleServer):
    """M/D/1: every request takes 10 ms of service. Its truth is found by one long simulation."""

    @cached_property
    def _long(self) -> Floats:
        rng = np.random.default_rng(7)
        return np.sort(np.concatenate([latency for _, latency in self.runs(2000, 60, rng)]))

    def exceeding(self, ms: float) -> float:
        """See `Queue`."""
        return float(1 - np.searchsorted(self._long, ms, side="right") / len(self._long))

    def percentile(self, q: float) -> float:
        """See `Queue`."""
        return float(np.quantile(self._long, q))

    def _service(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:  # noqa: ARG002
        return np.full(shape, 1 / CAPACITY)


@dataclass(frozen=True)
class FourServers(Queue):
    """M/M/4: four servers with a quarter of the capacity each. Who waits is told by Erlang's C formula."""

    _SERVERS = 4

    def exceeding(self, ms: float) -> float:
        """See `Queue`."""
        each, offered, servers = CAPACITY / self._SERVERS, self.utilisation * self._SERVERS, self._SERVERS
        poisson = stats.poisson(offered)
        waiting = poisson.pmf(servers) / (poisson.pmf(servers) + (1 - self.utilisation) * poisson.cdf(servers - 1))
        leaving, seconds = CAPACITY - self.arrivals, ms / 1000
        served = np.exp(-each * seconds)
        if abs(leaving - each) < 1e-9 * each:
            both = (1 + each * seconds) * served
        else:
            both = (leaving * served - each * np.exp(-leaving * seconds)) / (leaving - each)
        return float((1 - waiting) * served + waiting * both)

    def _simulated(self, seconds: float, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        began = self._began(seconds, runs, rng)
        service = rng.exponential(self._SERVERS / CAPACITY, (len(began), runs))
        free, ended, run = np.zeros((self._SERVERS, runs)), np.empty_like(began), np.arange(runs)
        for number in range(len(began)):
            server = free.argmin(axis=0)
            ended[number] = np.maximum(free[server, run], began[number]) + service[number]
            free[server, run] = ended[number]
        return began, ended


@dataclass(frozen=True)
class Closed(Queue):
    """Fifty users who think for a while, exponentially distributed, and ask one server: a load test's own closed loop.

    Who asks finds the queue as it is with one user less (the arrival theorem), so the truth is a mixture of gamma
    distributions.
    """

    _USERS = 50

    @cached_property
    def _asking(self) -> float:
        """How often a thinking user asks, per second, for the utilisation."""

        def short_of(rate: float) -> float:
            return 1 - float(self._at_server(rate, self._USERS)[0]) - self.utilisation

        return float(optimize.brentq(short_of, 1e-4, 1e3))

    def _at_server(self, rate: float, users: int) -> Floats:
        """Return how likely 0, 1, ... of so many users are at the server."""
        steps = np.log((users - np.arange(users)) * rate / CAPACITY)
        weights = np.concatenate(([0.0], np.cumsum(steps)))
        likely = np.exp(weights - weights.max())
        share: Floats = likely / likely.sum()
        return share

    def exceeding(self, ms: float) -> float:
        """See `Queue`."""
        found = self._at_server(self._asking, self._USERS - 1)
        return float(found @ stats.gamma.sf(ms / 1000, np.arange(1, len(found) + 1), scale=1 / CAPACITY))

    def _simulated(self, seconds: float, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        expected = 2 * self.arrivals * seconds
        events = int(expected + 8 * (expected * 2) ** 0.5) + 20
        at_server, now, run = np.zeros(runs, "int64"), np.zeros(runs), np.arange(runs)
        # First come, first served: the n-th to come is the n-th to leave.
        began, ended = np.full((events, runs), np.inf), np.full((events, runs), np.nan)
        come, left = np.zeros(runs, "int64"), np.zeros(runs, "int64")
        for _ in range(events):
            asking = (self._USERS - at_server) * self._asking
            leaving = np.where(at_server > 0, CAPACITY, 0.0)
            now = now + rng.exponential(1.0, runs) / (asking + leaving)
            comes = rng.random(runs) * (asking + leaving) < asking
            began[come[comes], run[comes]] = now[comes]
            ended[left[~comes], run[~comes]] = now[~comes]
            come[comes] += 1
            left[~comes] += 1
            at_server += np.where(comes, 1, -1)
        most = int(left.max())
        began, ended = began[:most], ended[:most]
        return np.where(np.isnan(ended), np.inf, began), np.where(np.isnan(ended), np.inf, ended)
