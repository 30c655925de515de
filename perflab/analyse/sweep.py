"""A recorded sweep as DataFrames and a verdict, each computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from perflab.analyse.assemble import RunTables
from perflab.analyse.headline import headline
from perflab.analyse.health import health
from perflab.analyse.observed import Observations
from perflab.analyse.partition import Listed, Steady, timeline
from perflab.analyse.runs import Runs
from perflab.analyse.samples import Recorded
from perflab.analyse.summary import Bools, Ints
from perflab.analyse.validity import many_connections, missing_runs, own_failures, remarks
from perflab.analyse.verdicts import Judged, Unjudged, Verdicts, find_unjudged
from perflab.plan.hosts import NOT_ALLOWED
from perflab.store.layout import RunDir, SweepDir
from perflab.store.manifest import RunManifest, SweepManifest, Window, read_manifest
from perflab.vocabulary.level import Level
from perflab.vocabulary.verdict import Verdict

DEFAULT_SET = (
    "no objectives are set, so the default is judged, a success rate of at least 99 % of all requests: an "
    "objectives.toml beside the locustfile sets others, an empty one sets none"
)


class Sweep:
    """A sweep on disk and everything that follows from it. Latencies are in ms, rates shares of 1.

    The frames' columns are stated at each property. Nothing is read twice; don't change the frames.
    """

    def __init__(
        self, sweep_dir: SweepDir, manifest: SweepManifest, runs: list[RunDir], run_manifests: list[RunManifest]
    ) -> None:
        self.dir = sweep_dir
        self.manifest = manifest
        self.run_manifests = run_manifests
        self._tables = RunTables(runs, run_manifests, self.all_levels, manifest.objectives)
        self._runs = Runs([run.name for run in runs], run_manifests, self._tables, manifest.objectives)

    def __repr__(self) -> str:
        # No verdict: a REPL shows this without being asked, and a verdict takes reading the tables.
        return f"<Sweep {self.id}, {self.manifest.status}>"

    @classmethod
    def open(cls, sweep_dir: SweepDir, repeats: Container[int] | None = None) -> Sweep:
        """Read a sweep's manifests, with the runs of these `repeats` only if they are given; raises StoreError.

        Its tables are read when they are needed.
        """
        manifest = read_manifest(sweep_dir.manifest, SweepManifest)
        runs = [run for run in sweep_dir.runs() if repeats is None or run.repeat in repeats]
        return cls(sweep_dir, manifest, runs, [read_manifest(run.manifest, RunManifest) for run in runs])

    @property
    def id(self) -> str:
        """The sweep's id."""
        return self.dir.id

    @cached_property
    def all_levels(self) -> tuple[Level, ...]:
        """The levels: what was planned and what was run, ascending."""
        return tuple(sorted({*self.manifest.plan.levels, *(run.level for run in self.run_manifests)}))

    @cached_property
    def latency(self) -> pd.DataFrame:
        """Weighted samples of all runs, ramp-up included, one row per row of ``latency.csv``.

        Columns: run, level, repeat; second (since the run's start, in which the requests began), source, method, name,
        group, outcome, measure (client, wire, fallback, or a phase), latency_ms (NaN where a request has none), count
        (requests with that latency); steady (whether they began in the judged window). Each request is counted by one
        sample of measure client. Millions of rows: the figures below don't need them.

            steady = sweep.latency.query("steady and measure == 'client'")
            steady.groupby("name", observed=True)["count"].sum()
        """
        return self._tables.latency(self.windows)

    @property
    def samples(self) -> Recorded:
        """The same samples as codes: a small part of the memory, and what all figures are made of."""
        return self._runs.samples

    @cached_property
    def generator(self) -> pd.DataFrame:
        """The load generator's health, one row per run, second and source.

        Columns: run, level, repeat, those of ``generator.csv``, steady. Its `users` are those that were running in that
        second, in that source.
        """
        return self._runs.generator

    @cached_property
    def responses(self) -> pd.DataFrame:
        """Requests by user class and HTTP status, one row per run, second, endpoint, user class and status.

        Columns: run, level, repeat, those of ``responses.csv``, steady. `status` is empty where no answer of HTTP came.
        Empty for a sweep of a perflab that did not record it.
        """
        return self._tables.frame("responses.csv", self.windows)

    @cached_property
    def health(self) -> pd.DataFrame:
        """How the generator did in the judged window, one row per run and source.

        Its columns are those of `perflab.analyse.health.health`.
        """
        return health(self.generator)

    @cached_property
    def target(self) -> pd.DataFrame:
        """A managed target's resources, one row per run and second.

        Columns: run, level, repeat, second, cpu_percent (100 is a core), rss_mb, steady.
        """
        return self._tables.frame("target.csv", self.windows)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Failed requests, one row per run, second, endpoint and message.

        Columns: run, level, repeat, second, method, name, outcome, status, message, count, steady.
        """
        return self._tables.frame("failures.csv", self.windows)

    @property
    def failures_by_outcome(self) -> pd.DataFrame:
        """Failed requests of whole runs: level, outcome, count."""
        return self.failures.groupby(["level", "outcome"], observed=True)["count"].sum().reset_index()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run.

        Columns: run, level, repeat, status, start, end, window_start, window_end (of the judged window, in seconds
        since the run's start: the planned one, less what was not steady at its front), requests (that began in it), rps
        (per second), validity ("valid" or "invalid"), reasons ("; " between them).
        """
        return self._runs.frame()

    @cached_property
    def totals(self) -> pd.DataFrame:
        """One row per level: its judged requests, repeats pooled.

        Columns: level, requests, ok, failed (unanswered ones too), unanswered, rps (per second), success_rate and
        error_rate (shares of 1), min_ms, mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, max_ms, clock. Latencies are those of
        successful requests, unanswered ones being slower than all; `clock` says whose time they are: wire, client, or
        wire and client.
        """
        return self._steady.by_level()

    @cached_property
    def groups(self) -> pd.DataFrame:
        """One row per level and group: the columns of `totals` with group after level."""
        return self._steady.by_group()

    @cached_property
    def endpoints(self) -> pd.DataFrame:
        """One row per level and endpoint: the columns of `groups` with method and name after group."""
        return self._steady.by_endpoint()

    @cached_property
    def listed_endpoints(self) -> pd.DataFrame:
        """The rows of `endpoints` that are worth listing: beyond 500 endpoints the rarest are one."""
        return self._steady.by_endpoint(self.listed)

    @cached_property
    def listed(self) -> Listed:
        """Which endpoints are listed one by one."""
        return Listed.of(self.samples, self._runs.steady)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """One row per run, second and group, ramp-up included.

        Columns: run, second, group, level, repeat, requests, failed, p50_ms, p95_ms, steady.
        """
        rows = timeline(self.samples, self._level_of_run, len(self.all_levels))
        run = rows.pop("run").to_numpy()
        frame = self._tables.with_runs(run, {str(name): rows[name] for name in rows}, self.windows)
        columns = ["run", "second", "group", "level", "repeat", "requests", "failed", "p50_ms", "p95_ms", "steady"]
        return frame[columns].astype({"level": "object"})

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """One row per level and objective.

        Columns: level, group, objective, endpoints (patterns of those that count, empty for all), measured,
        low and high (one-sided 95 % bounds, NaN where the samples are too few for one), bound, limit, samples,
        effective_samples (so many independent requests would tell as much; NaN where nothing shows how they depend on
        each other), clock (of what is made of latencies), verdict, advice. Figures are in the objective's unit: shares
        of 1, ms, requests/s.
        """
        return self._verdicts.frame()

    @property
    def judged(self) -> Sequence[Judged]:
        """The same as `verdicts`, each with its objective, its judgement and, where it is not passed, its reason."""
        return self._verdicts.judged

    @cached_property
    def levels(self) -> pd.DataFrame:
        """One row per level: level, verdict, reasons (one line each)."""
        return self._verdicts.levels()

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict that outranks those of all levels."""
        return self._verdicts.overall

    @cached_property
    def reasons(self) -> list[str]:
        """Why the sweep does not pass, one line each, the worst first; none for PASS."""
        return self._verdicts.reasons

    def reasons_of(self, level: Level) -> list[str]:
        """Return why a level does not pass, one line each; none for PASS."""
        return self._verdicts.reasons_of(level)

    @cached_property
    def headline(self) -> str:
        """What the verdict means, and what a PASS must not hide."""
        exceptions = sum(run.evidence.task_exceptions for run in self.run_manifests)
        return headline(self._verdicts, self.manifest.objectives, self.unjudged, exceptions, self.many_connections)

    @cached_property
    def many_connections(self) -> list[str]:
        """The runs whose requests mostly don't keep their connections: that is another load than most have in mind."""
        runs = zip(self._runs.names, self._runs.habits, strict=True)
        return [f"{run}: {line}" for run, habits in runs for line in many_connections(habits)]

    @cached_property
    def unjudged(self) -> list[Unjudged]:
        """The failures of levels that can be trusted whose rate no objective limits."""
        samples, kinds = self.samples, self.samples.kinds
        groups = len(samples.labels.groups)
        cell = self._level_of_run[samples.run] * groups + samples.group
        counted = np.flatnonzero(self._judged & kinds.by_client)
        requests = pd.DataFrame(
            {
                "level": pd.Categorical.from_codes(cell[counted] // groups, dtype=self._tables.level_of_run.dtype),
                "group": samples.labels.groups[cell[counted] % groups],
                "outcome": np.array([series.outcome for series in samples.labels.series])[samples.series[counted]],
                "count": kinds.count[counted],
            }
        )
        unjudged = find_unjudged(requests, self.manifest.objectives)
        return [failures for failures in unjudged if not self._distrust[failures.level]]

    @cached_property
    def notes(self) -> list[str]:
        """What is worth knowing but changes no verdict, one line each."""
        notes, runs = self._tables.notes, self._runs
        each = zip(runs.names, runs.manifests, runs.judged_windows, runs.habits, runs.excuses, strict=True)
        for name, manifest, judged, habits, excuse in each:
            lines = [*remarks(manifest, habits), judged.remark, excuse]
            notes += [f"{name}: {line}" for line in lines if line]
        notes += self._not_allowed
        notes += [failures.line for failures in self.unjudged]
        notes += [self.listed.note] if self.listed.note else []
        notes += [DEFAULT_SET] if self.manifest.objectives.default else []
        return notes

    @property
    def _not_allowed(self) -> list[str]:
        """The requests that were not made, because load may not go to their hosts, a line a host."""
        kept = self.failures[self.failures["outcome"] == NOT_ALLOWED]
        counts = kept.groupby("message", observed=True)["count"].sum()
        return [f"{count} requests were not made: {message}" for message, count in counts.items()]

    @property
    def windows(self) -> list[Window | None]:
        """The window of each run that is judged, in seconds since its start."""
        return self._runs.windows

    @property
    def judged_seconds(self) -> Sequence[range]:
        """The whole seconds of each run that are judged, since its start; none of a run that doesn't count."""
        return self._runs.judged_seconds

    @property
    def unsteady(self) -> list[str]:
        """Why no part of each run's planned window is steady; empty where one is, or it was too short to look."""
        return self._runs.unsteady

    @cached_property
    def _level_of_run(self) -> Ints:
        return self._tables.level_of_run.codes.astype("int64")

    @cached_property
    def _judged(self) -> Bools:
        """Which kinds of samples are judged."""
        return self.samples.within(self._runs.judged_seconds)

    @cached_property
    def _steady(self) -> Steady:
        lengths = [len(seconds) for seconds in self._runs.judged_seconds]
        seconds = np.bincount(self._level_of_run, weights=lengths, minlength=len(self.all_levels)).astype("float64")
        return Steady.of(self.samples, self._judged, self._level_of_run, self.all_levels, seconds)

    @cached_property
    def _distrust(self) -> dict[Level, list[str]]:
        """Why each level is INVALID, one line each."""
        lines: dict[Level, list[str]] = {level: [] for level in self.all_levels}
        for name, manifest, reasons in zip(self._runs.names, self.run_manifests, self._runs.invalid, strict=True):
            lines[manifest.level] += [f"{name}: {phrase}" for phrase in reasons]
        for level in self.all_levels:
            lines[level] += missing_runs(self.manifest.plan, level, self.run_manifests)
        return lines

    @cached_property
    def _verdicts(self) -> Verdicts:
        failed: dict[Level, list[str]] = {level: [] for level in self.all_levels}
        unsteady: dict[Level, list[str]] = {level: [] for level in self.all_levels}
        unjudged = {(failures.level, failures.group): failures.words for failures in self.unjudged}
        runs = zip(self._runs.names, self.run_manifests, self.unsteady, self._runs.excuses, strict=True)
        for name, manifest, why, excuse in runs:
            failed[manifest.level] += [f"{name}: {line}" for line in own_failures(manifest)]
            if why and not excuse:
                unsteady[manifest.level].append(f"{name}: it never became steady: {why}")
        levels = [run.level for run in self.run_manifests]
        observations = Observations(self.samples, levels, self._runs.judged_seconds)
        return Verdicts.of(self.manifest.objectives, self._distrust, failed, unsteady, unjudged, observations.of)
