"""A recorded sweep as DataFrames and a verdict, each computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from perflab.analyse.assemble import endpoint_codes, join_runs, read_run_tables, with_groups
from perflab.analyse.clocks import judged_rows, row_clocks
from perflab.analyse.headline import headline
from perflab.analyse.health import UNKNOWN, GeneratorHealth, client_waits_by_run, health, health_by_run
from perflab.analyse.listed import Listed
from perflab.analyse.observed import Observations
from perflab.analyse.partition import Steady, timeline
from perflab.analyse.samples import FAILURES, GENERATOR, LATENCY, RESPONSES, TARGET, Reading, Table
from perflab.analyse.settled import JudgedWindow, judged_window
from perflab.analyse.summary import CLIENT
from perflab.analyse.swing import no_weight
from perflab.analyse.unjudged import Unjudged, find_unjudged
from perflab.analyse.validity import (
    ClientHabits,
    Measured,
    invalid_reasons,
    many_connections,
    missing_runs,
    own_failures,
    remarks,
)
from perflab.analyse.verdicts import Judged, Verdicts
from perflab.analyse.window import whole_seconds
from perflab.plan.hosts import NOT_ALLOWED
from perflab.store.layout import RunDir, SweepDir
from perflab.store.manifest import RunManifest, SweepManifest, Window, read_manifest
from perflab.store.silence import NO_ANSWER, Silence, find_silence
from perflab.vocabulary import measure as measures
from perflab.vocabulary.verdict import Verdict

DEFAULT_SET = (
    "no objectives are set, so the default is judged, a success rate of at least 99 % of all requests: an "
    "objectives.toml beside the locustfile sets others, an empty one sets none"
)
# Tables that verdicts and charts are made of: what is wrong with them is worth a note.
_NOTED = {"latency.csv": LATENCY, "generator.csv": GENERATOR, "target.csv": TARGET, "failures.csv": FAILURES}


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
        self._runs = runs
        self._readings: dict[str, list[tuple[Reading, list[str]]]] = {}

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
    def user_counts(self) -> tuple[int, ...]:
        """The levels: what was planned and what was run, ascending."""
        return tuple(sorted({*self.manifest.plan.users, *(run.users for run in self.run_manifests)}))

    @cached_property
    def latency(self) -> pd.DataFrame:
        """Weighted samples: run, users, repeat, the columns of latency.csv with group after name, steady."""
        return with_groups(self._joined("latency.csv", LATENCY), self.manifest.objectives)

    @cached_property
    def generator(self) -> pd.DataFrame:
        """The load generator's health: run, users, repeat, the columns of generator.csv, steady.

        The file's `users` is called `running_users` here: spawned in that second, in that source.
        """
        return self._joined("generator.csv", GENERATOR)

    @cached_property
    def responses(self) -> pd.DataFrame:
        """Requests by user class and HTTP status: run, users, repeat, the columns of responses.csv, steady.

        `status` is empty where no answer of HTTP came. Empty for a sweep of a perflab that did not record it.
        """
        return self._joined("responses.csv", RESPONSES)

    @cached_property
    def health(self) -> pd.DataFrame:
        """How the generator did in the steady window, a row a run and source: see `perflab.analyse.health.health`."""
        return health(self.generator)

    @cached_property
    def target(self) -> pd.DataFrame:
        """A managed target's CPU and memory: run, users, repeat, the columns of target.csv, steady."""
        return self._joined("target.csv", TARGET)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Failed requests: run, users, repeat, the columns of failures.csv, steady."""
        return self._joined("failures.csv", FAILURES)

    @property
    def failures_by_outcome(self) -> pd.DataFrame:
        """Failed requests of whole runs: users, outcome, count."""
        return self.failures.groupby(["users", "outcome"], observed=True)["count"].sum().reset_index()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run.

        Columns: run, users, repeat, status, start, end, window_start, window_end, requests, rps, validity ("valid"
        or "invalid"), reasons. `requests` began in the steady window, given in seconds since the run's start: the
        planned one, less what was not steady at its front.
        """
        manifests, windows = self.run_manifests, self.windows
        seconds = np.array([len(whole_seconds(window)) for window in windows], "float64")
        requests = self._requests_by_run[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            rps = np.where(seconds > 0, requests / seconds, np.nan)
        return pd.DataFrame(
            {
                "run": pd.Categorical.from_codes(
                    np.arange(len(manifests)), categories=self.latency["run"].cat.categories
                ),
                "users": np.array([run.users for run in manifests], "int64"),
                "repeat": np.array([run.repeat for run in manifests], "int64"),
                "status": pd.Series([run.status for run in manifests], dtype="str"),
                "start": pd.Series([run.start for run in manifests], dtype="datetime64[us, UTC]"),
                "end": pd.Series([run.end for run in manifests], dtype="datetime64[us, UTC]"),
                "window_start": np.array([window.start if window else np.nan for window in windows], "float64"),
                "window_end": np.array([window.end if window else np.nan for window in windows], "float64"),
                "requests": requests,
                "rps": rps,
                "validity": pd.Series(["invalid" if found else "valid" for found in self._invalid], dtype="str"),
                "reasons": pd.Series(["; ".join(found) for found in self._invalid], dtype="str"),
            }
        )

    @cached_property
    def totals(self) -> pd.DataFrame:
        """A row a level: users, requests, ok, failed, unanswered, rps, two rates, min_ms to max_ms, clock.

        `failed` holds the unanswered; `clock` says whose time the latencies are: wire, client, or wire and client.
        """
        return self._steady.by_level()

    @cached_property
    def groups(self) -> pd.DataFrame:
        """A row a level and group: the columns of `totals` with group after users."""
        return self._steady.by_group()

    @cached_property
    def endpoints(self) -> pd.DataFrame:
        """A row a level and endpoint: the columns of `groups` with method and name after group."""
        return self._steady.by_endpoint()

    @cached_property
    def listed_endpoints(self) -> pd.DataFrame:
        """The rows of `endpoints` that are worth listing: beyond 500 endpoints the rarest are one."""
        return self._steady.by_endpoint(self.listed)

    @cached_property
    def listed(self) -> Listed:
        """Which endpoints are listed one by one."""
        return Listed.of(self.latency)

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """A row a run, second and group, ramp-up included.

        Columns: run, second, group, users, repeat, requests, failed, p50_ms, p95_ms, steady.
        """
        return timeline(self.latency)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """A row a level and objective.

        Columns: users, group, objective, endpoints, measured, low, high, bound, limit, samples, effective_samples,
        clock, verdict, advice. `endpoints` are the patterns of those that count, empty for all of the group; `low` and
        `high` are one-sided 95 % bounds, NaN where the samples are too few for one; `effective_samples` independent
        requests would tell as much, NaN where nothing shows how these depend on each other; `clock` is a percentile's.
        """
        return self._verdicts.frame()

    @property
    def judged(self) -> Sequence[Judged]:
        """The same as `verdicts`, each with its objective, its judgement and, where it is not passed, its reason."""
        return self._verdicts.judged

    @cached_property
    def levels(self) -> pd.DataFrame:
        """A row a level: users, verdict, reasons (a line each)."""
        return self._verdicts.levels()

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict that outranks those of all levels."""
        return self._verdicts.overall

    @cached_property
    def reasons(self) -> list[str]:
        """Why the sweep does not pass, one line each, the worst first; none for PASS."""
        return self._verdicts.reasons

    @cached_property
    def headline(self) -> str:
        """What the verdict means, and what a PASS must not hide."""
        exceptions = sum(run.evidence.task_exceptions for run in self.run_manifests)
        return headline(self._verdicts, self.manifest.objectives, self.unjudged, exceptions, self.many_connections)

    @cached_property
    def many_connections(self) -> list[str]:
        """The runs whose requests mostly don't keep their connections: that is another load than most have in mind."""
        habits = zip(self._runs, self._habits, strict=True)
        return [f"{run.name}: {line}" for run, one in habits for line in many_connections(one)]

    @cached_property
    def unjudged(self) -> list[Unjudged]:
        """The failures of levels that can be trusted whose rate no objective limits."""
        latency = self.latency
        judged = latency["steady"].to_numpy() & np.array([*self._judged_runs, False])[latency["run"].cat.codes]
        rows = latency[judged & (latency["measure"] == "client").to_numpy()]
        counts = rows.groupby(["users", "group", "outcome"], observed=True)["count"].sum().reset_index()
        return [one for one in find_unjudged(counts, self.manifest.objectives) if not self._distrust[one.users]]

    @cached_property
    def notes(self) -> list[str]:
        """What is worth knowing but changes no verdict, one line each."""
        found = [note for name, table in _NOTED.items() for _, notes in self._read(name, table) for note in notes]
        runs = zip(self._runs, self.run_manifests, self._windows, self._habits, self._excuses, strict=True)
        for run, manifest, judged, habits, excuse in runs:
            remark = [line for line in (judged.remark, excuse) if line]
            found += [f"{run.name}: {line}" for line in [*remarks(manifest, habits), *remark]]
        found += self._not_allowed
        found += [one.line for one in self.unjudged]
        found += [self.listed.note] if self.listed.note else []
        if self.manifest.objectives.default:
            found.append(DEFAULT_SET)
        return found

    @property
    def _not_allowed(self) -> list[str]:
        """The requests that were not made, because load may not go to their hosts, a line a host."""
        kept = self.failures[self.failures["outcome"] == NOT_ALLOWED]
        counts = kept.groupby("message", observed=True)["count"].sum()
        return [f"{count} requests were not made: {message}" for message, count in counts.items()]

    def _read(self, filename: str, table: Table) -> list[tuple[Reading, list[str]]]:
        if filename not in self._readings:
            self._readings[filename] = read_run_tables(self._runs, self.run_manifests, filename, table)
        return self._readings[filename]

    def _joined(self, filename: str, table: Table, windows: Sequence[Window | None] | None = None) -> pd.DataFrame:
        frames = [reading.frame for reading, _ in self._read(filename, table)]
        names = [run.name for run in self._runs]
        return join_runs(names, self.run_manifests, self.windows if windows is None else windows, frames, table)

    @property
    def windows(self) -> list[Window | None]:
        """The window of each run that is judged, in seconds since its start."""
        return [judged.window for judged in self._windows]

    @property
    def unsteady(self) -> list[str]:
        """Why no part of each run's planned window is steady; empty where one is, or it was too short to look."""
        return [judged.unsteady for judged in self._windows]

    @cached_property
    def _windows(self) -> list[JudgedWindow]:
        frames = [reading.frame for reading, _ in self._read("latency.csv", LATENCY)]
        return [judged_window(manifest, frame) for manifest, frame in zip(self.run_manifests, frames, strict=True)]

    @cached_property
    def _judged_runs(self) -> list[bool]:
        return [
            run.status == "complete" and bool(whole_seconds(window))
            for run, window in zip(self.run_manifests, self.windows, strict=True)
        ]

    @cached_property
    def _steady(self) -> Steady:
        run = self.latency["run"].cat.codes.to_numpy()
        judged = self.latency["steady"].to_numpy() & np.array([*self._judged_runs, False])[run]
        seconds = [
            sum(
                len(whole_seconds(window))
                for run, window, is_judged in zip(self.run_manifests, self.windows, self._judged_runs, strict=True)
                if is_judged and run.users == users
            )
            for users in self.user_counts
        ]
        return Steady.of(self.latency, judged, self.user_counts, np.array(seconds, "float64"))

    @cached_property
    def _requests_by_run(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Requests of each run: all, and those that began in the steady window."""
        client = (self.latency["measure"] == measures.CLIENT).to_numpy()
        return self._count_by_run(client), self._count_by_run(client & self.latency["steady"].to_numpy())

    @cached_property
    def _has_client_latency(self) -> np.ndarray[Any, Any]:
        """Which runs have an endpoint whose latency goes by the client clock in the steady window."""
        latency = self.latency
        endpoint, endpoints = endpoint_codes(latency)
        cell = latency["run"].cat.codes.to_numpy().astype("int64") * len(endpoints) + endpoint
        judged = judged_rows(latency, cell, len(self._runs) * len(endpoints), latency["steady"].to_numpy())
        by_client: np.ndarray[Any, Any] = self._count_by_run(judged & (row_clocks(latency) == CLIENT)) > 0
        return by_client

    @cached_property
    def _habits(self) -> list[ClientHabits]:
        """How each run's clients make their requests."""
        opened = self.latency["steady"].to_numpy() & (self.latency["measure"] == measures.CONNECT).to_numpy()
        requests, waits = np.maximum(self._requests_by_run[1], 1), client_waits_by_run(self.generator)
        return [
            ClientHabits(float(connected / count), 1000 * waited_s / float(count), share, bool(by_client))
            for run, connected, count, by_client in zip(
                self._runs, self._count_by_run(opened), requests, self._has_client_latency, strict=True
            )
            for waited_s, share in [waits.get(run.name, (0.0, 0.0))]
        ]

    def _count_by_run(self, chosen: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        run, count = self.latency["run"].cat.codes.to_numpy(), self.latency["count"].to_numpy()
        return np.bincount(run[chosen], weights=count[chosen], minlength=len(self._runs)).astype("int64")

    @cached_property
    def _invalid(self) -> list[list[str]]:
        """Why each run can't be trusted."""
        every, steady = self._requests_by_run
        by_client, generators = self._has_client_latency, self._generators
        return [
            invalid_reasons(
                manifest,
                Measured(
                    int(every[at]),
                    int(steady[at]),
                    bool(by_client[at]),
                    generators[at].offered,
                    generators[at].sources,
                    self._silence(at),
                ),
            )
            for at, manifest in enumerate(self.run_manifests)
        ]

    @cached_property
    def _generators(self) -> list[GeneratorHealth]:
        """How each run's generator did in the window that it did worse in: the judged one, or the planned one.

        What is left out at a window's front, because throughput still rose there, may be what the generator has lost.
        """
        planned = self._joined("generator.csv", GENERATOR, [run.window for run in self.run_manifests])
        windows = [health_by_run(self.generator), health_by_run(planned)]
        return [
            min((found.get(run.name, UNKNOWN) for found in windows), key=lambda one: one.offered) for run in self._runs
        ]

    def _silence(self, at: int) -> Silence | None:
        """Return the silence that a run ended in, if it did."""
        window = self.run_manifests[at].window
        rows = self.latency[(self.latency["run"].cat.codes == at) & (self.latency["measure"] == "client")]
        if window is None or not rows["outcome"].isin(NO_ANSWER).any():
            return None
        by_outcome = rows.groupby(["second", "outcome"], observed=True)
        frame = by_outcome.agg(longest=("latency_ms", "max"), requests=("count", "sum")).fillna(0.0).reset_index()
        seen = {
            (int(row["second"]), str(row["outcome"])): (float(row["longest"]), int(row["requests"]))
            for row in frame.to_dict("records")
        }
        return find_silence(seen, window.end)

    @cached_property
    def _distrust(self) -> dict[int, list[str]]:
        """Why each level is INVALID, one line each."""
        lines: dict[int, list[str]] = {users: [] for users in self.user_counts}
        for run, manifest, found in zip(self._runs, self.run_manifests, self._invalid, strict=True):
            lines[manifest.users] += [f"{run.name}: {phrase}" for phrase in found]
        for users in self.user_counts:
            lines[users] += missing_runs(self.manifest.plan, users, self.run_manifests)
        return lines

    @cached_property
    def _excuses(self) -> list[str]:
        """Why each run that never became steady is judged all the same; empty where it is not, or was steady."""
        return [self._excuse(at) if judged.wanders else "" for at, judged in enumerate(self._windows)]

    def _excuse(self, at: int) -> str:
        judged, users = self._windows[at], self.run_manifests[at].users
        rows = self.latency[(self.latency["run"].cat.codes == at) & self.latency["steady"]]
        limits = [limit for limit in self.manifest.objectives.limits if users >= limit.from_users]
        moved = no_weight(rows, whole_seconds(judged.window), limits)
        return f"{judged.unsteady}, but of no weight against the objectives ({moved})" if moved else ""

    @cached_property
    def _verdicts(self) -> Verdicts:
        failed: dict[int, list[str]] = {users: [] for users in self.user_counts}
        unsteady: dict[int, list[str]] = {users: [] for users in self.user_counts}
        unjudged = {(one.users, one.group): one.words for one in self.unjudged}
        runs = zip(self._runs, self.run_manifests, self._windows, self._excuses, strict=True)
        for run, manifest, judged, excuse in runs:
            failed[manifest.users] += [f"{run.name}: {line}" for line in own_failures(manifest)]
            if judged.unsteady and not excuse:
                unsteady[manifest.users].append(f"{run.name}: it never became steady: {judged.unsteady}")
        windows = [
            whole_seconds(window) if judged else range(0)
            for window, judged in zip(self.windows, self._judged_runs, strict=True)
        ]
        observations = Observations(self.latency, [run.users for run in self.run_manifests], windows)
        return Verdicts.of(self.manifest.objectives, self._distrust, failed, unsteady, unjudged, observations.of)
