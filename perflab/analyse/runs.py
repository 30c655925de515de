"""What each run of a sweep was like: the window that is judged, what was asked in it, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from perflab.analyse.assemble import RunTables
from perflab.analyse.health import UNKNOWN, GeneratorHealth, client_waits_by_run, health_by_run
from perflab.analyse.samples import Recorded
from perflab.analyse.summary import CLIENT, Bools, Ints
from perflab.analyse.validity import ClientHabits, Measured, invalid_reasons
from perflab.analyse.window import JudgedWindow, judged_window, no_weight
from perflab.plan.objectives import Objectives
from perflab.store.manifest import RunManifest, Window, whole_seconds
from perflab.store.silence import NO_ANSWER, Silence, find_silence
from perflab.vocabulary.measure import CONNECT


class Runs:
    """The runs of a sweep; lists have an item per run, in their order."""

    def __init__(
        self, names: Sequence[str], manifests: Sequence[RunManifest], tables: RunTables, objectives: Objectives
    ) -> None:
        self.names, self.manifests = names, manifests
        self._tables, self._objectives = tables, objectives

    @cached_property
    def samples(self) -> Recorded:
        """The samples of all runs."""
        return self._tables.samples

    @cached_property
    def _each(self) -> list[Recorded]:
        return [self.samples.of_runs(run) for run in range(len(self.names))]

    @cached_property
    def judged_windows(self) -> list[JudgedWindow]:
        """The window that is judged, with what was found about its steadiness."""
        return [judged_window(*run) for run in zip(self.manifests, self._each, strict=True)]

    @cached_property
    def windows(self) -> list[Window | None]:
        """The window that is judged, in seconds since the run's start."""
        return [judged.window for judged in self.judged_windows]

    @cached_property
    def seconds(self) -> list[range]:
        """The whole seconds of that window."""
        return [whole_seconds(window) for window in self.windows]

    @cached_property
    def judged_seconds(self) -> list[range]:
        """The same of a run that is judged; of one that was cut short none."""
        pairs = zip(self.manifests, self.seconds, strict=True)
        return [seconds if run.status == "complete" else range(0) for run, seconds in pairs]

    @cached_property
    def steady(self) -> Bools:
        """Which kinds of samples are of requests that began in the window of their run."""
        return self.samples.within(self.seconds)

    @cached_property
    def steady_requests(self) -> Ints:
        """The requests that began in the window."""
        return self._count(self.steady & self.samples.kinds.by_client)

    @cached_property
    def _by_client(self) -> Bools:
        """Whether the latency of an endpoint goes by the client clock in the window."""
        samples, endpoints = self.samples, len(self.samples.labels.endpoints)
        judged = samples.judged(samples.run * endpoints + samples.endpoint, len(self.names) * endpoints, self.steady)
        by_client: Bools = self._count(judged & (samples.kinds.clock == CLIENT)) > 0
        return by_client

    @cached_property
    def habits(self) -> list[ClientHabits]:
        """How its clients make their requests."""
        connects = np.array([series.measure == CONNECT for series in self.samples.labels.series], "bool")
        opened = self._count(self.steady & connects[self.samples.series])
        requests, waits = np.maximum(self.steady_requests, 1), client_waits_by_run(self.generator)
        return [
            ClientHabits(float(connected / count), 1000 * waited_s / float(count), share, bool(by_client))
            for name, connected, count, by_client in zip(self.names, opened, requests, self._by_client, strict=True)
            for waited_s, share in [waits.get(name, (0.0, 0.0))]
        ]

    @cached_property
    def generator(self) -> pd.DataFrame:
        """The load generator's health: see ``Sweep.generator``."""
        return self._tables.frame("generator.csv", self.windows)

    @cached_property
    def invalid(self) -> list[list[str]]:
        """Why it can't be trusted, one phrase each."""
        requests = self._count(self.samples.kinds.by_client)
        return [
            invalid_reasons(
                manifest,
                Measured(
                    int(requests[at]),
                    int(self.steady_requests[at]),
                    bool(self._by_client[at]),
                    self._generators[at].achieved_load,
                    self._generators[at].sources,
                    self._silence(at),
                ),
            )
            for at, manifest in enumerate(self.manifests)
        ]

    @cached_property
    def unsteady(self) -> list[str]:
        """Why no part of its planned window is steady; empty where one is, or it was too short to look."""
        return [judged.unsteady for judged in self.judged_windows]

    @cached_property
    def excuses(self) -> list[str]:
        """Why it is judged though it never became steady; empty where it is not, or was steady."""
        return [self._excuse(at) if judged.wanders else "" for at, judged in enumerate(self.judged_windows)]

    def frame(self) -> pd.DataFrame:
        """Return one row per run: see ``Sweep.runs``."""
        runs, windows = self.manifests, self.windows
        seconds = np.array([len(window) for window in self.seconds], "float64")
        with np.errstate(divide="ignore", invalid="ignore"):
            rps = np.where(seconds > 0, self.steady_requests / seconds, np.nan)
        return pd.DataFrame(
            {
                "run": pd.Categorical.from_codes(
                    np.arange(len(runs)), categories=pd.Index(list(self.names), dtype="str")
                ),
                "level": pd.Series([run.level for run in runs], dtype="object"),
                "repeat": np.array([run.repeat for run in runs], "int64"),
                "status": pd.Series([run.status for run in runs], dtype="str"),
                "start": pd.Series([run.start for run in runs], dtype="datetime64[us, UTC]"),
                "end": pd.Series([run.end for run in runs], dtype="datetime64[us, UTC]"),
                "window_start": np.array([window.start if window else np.nan for window in windows], "float64"),
                "window_end": np.array([window.end if window else np.nan for window in windows], "float64"),
                "requests": self.steady_requests,
                "rps": rps,
                "validity": pd.Series(["invalid" if reasons else "valid" for reasons in self.invalid], dtype="str"),
                "reasons": pd.Series(["; ".join(reasons) for reasons in self.invalid], dtype="str"),
            }
        )

    def _count(self, kinds: Bools) -> Ints:
        samples = self.samples
        weights = samples.kinds.count[kinds]
        return np.bincount(samples.run[kinds], weights=weights, minlength=len(self.names)).astype("int64")

    @cached_property
    def _generators(self) -> list[GeneratorHealth]:
        """How its generator did in the window that it did worse in: the judged one, or the planned one.

        What is left out at a window's front, because throughput still rose there, may be what the generator has lost.
        """
        planned = self._tables.frame("generator.csv", [run.window for run in self.manifests])
        windows = [health_by_run(self.generator), health_by_run(planned)]
        return [
            min((window.get(name, UNKNOWN) for window in windows), key=lambda health: health.achieved_load)
            for name in self.names
        ]

    def _silence(self, at: int) -> Silence | None:
        """Return the silence that a run ended in, if it did."""
        window, run = self.manifests[at].window, self._each[at]
        outcomes = np.array([series.outcome for series in run.labels.series], "object")[run.series]
        counted = run.kinds.by_client
        if window is None or not np.isin(outcomes[counted], list(NO_ANSWER)).any():
            return None
        longest = np.zeros(len(run.second))
        np.fmax.at(longest, run.kind, run.latencies[run.latency])
        seen: dict[tuple[int, str], tuple[float, int]] = {}
        for kind in np.flatnonzero(counted).tolist():
            key = int(run.second[kind]), str(outcomes[kind])
            before, requests = seen.get(key, (0.0, 0))
            seen[key] = max(before, float(longest[kind])), requests + int(run.kinds.count[kind])
        return find_silence(seen, window.end)

    def _excuse(self, at: int) -> str:
        level = self.manifests[at].level
        limits = [limit for limit in self._objectives.limits if limit.applies_at(level)]
        moved = no_weight(self._each[at], self.seconds[at], limits)
        return f"{self.unsteady[at]}, but of no weight against the objectives ({moved})" if moved else ""
