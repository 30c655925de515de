"""A sweep's figures and verdict as its document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from perflab.analyse.assemble import with_groups
from perflab.analyse.health import health
from perflab.analyse.sweep import Sweep
from perflab.analyse.verdicts import Judged
from perflab.results.document import Latency, Target
from perflab.results.sweep import document as doc
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import PERCENTILES
from perflab.vocabulary.verdict import Verdict

NO_STATUS = "none"
FAILURE = ("method", "name", "outcome", "status", "message")
_COUNTS = ["count", "whole_runs"]
# At each level: that many texts may be of any length that messages have, and names too.
MAX_FAILURES = 500

_NO_REQUESTS = {
    **dict.fromkeys(("requests", "ok", "failed", "unanswered"), 0),
    **dict.fromkeys(("rps", "success_rate", "error_rate")),
}

FiguresT = TypeVar("FiguresT", bound=doc.Figures)
FailureT = TypeVar("FailureT", bound=doc.Failure)
Row = dict[str, Any]
# Level; level and group; or level, method and name.
Place = tuple[object, ...]


def build(sweep: Sweep) -> doc.SweepDocument:
    """Return a sweep's document; raises StoreError if a table can't be read."""
    levels = _Levels.of(sweep)
    return doc.SweepDocument(
        metadata=_metadata(sweep),
        timestamps=_timestamps(sweep),
        plan=doc.Plan(**sweep.manifest.plan.model_dump(include=set(doc.Plan.model_fields))),
        status=sweep.manifest.status,
        levels={level.name: levels.result(level) for level in sweep.all_levels},
        failures=levels.all_failures(),
        max_sustainable_throughput=levels.max_sustainable(),
        verdict=sweep.verdict,
        headline=sweep.headline,
        exit_code=sweep.verdict.exit_code,
        reasons=sweep.reasons,
        notes=sweep.notes,
    )


def _metadata(sweep: Sweep) -> doc.Metadata:
    manifest, environment = sweep.manifest, sweep.manifest.environment
    return doc.Metadata(
        sweep_id=sweep.id,
        label=manifest.label,
        versions=sweep.run_manifests[0].versions if sweep.run_manifests else environment.get("versions", {}),
        machine={
            name: value
            for name, value in environment.items()
            if name != "git_commit" and isinstance(value, str | int | float | None)
        },
        git_commit=git_commit(sweep),
        # Its place on disk is nobody's business; its name says enough.
        locustfile="/".join(Path(manifest.plan.locustfile).parts[-2:]),
        seed=manifest.plan.seed,
        target=target(sweep),
    )


def git_commit(sweep: Sweep) -> str | None:
    """Return the commit that a sweep's runs were made at; None outside of a repository."""
    first = next(iter(sweep.run_manifests), None)
    return first.git_commit if first else sweep.manifest.environment.get("git_commit")


def target(sweep: Sweep) -> Target:
    """Return a sweep's target."""
    return Target(host=sweep.manifest.target.host, managed=sweep.manifest.target.managed)


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Return a frame's rows by column."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _timestamps(sweep: Sweep) -> doc.Timestamps:
    runs = [doc.RunTimes(start=run.start, end=run.end) for run in sweep.run_manifests]
    return doc.Timestamps(
        created=sweep.manifest.created,
        start=min((run.start for run in runs if run.start), default=None),
        end=max((run.end for run in runs if run.end), default=None),
        runs=dict(zip(map(str, sweep.runs["run"]), runs, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class _Levels:
    """A sweep's frames as rows, each with its level.

    `seconds` are those judged at each level; `codes` tell how many requests got which status, None if unknown.
    """

    sweep: Sweep
    seconds: Mapping[Level, int]
    rows: Mapping[str, list[Row]]
    codes: Mapping[Place, Counter[str]] | None

    @classmethod
    def of(cls, sweep: Sweep) -> _Levels:
        """Return the rows of a sweep."""
        seconds = Counter[Level]()
        for run, judged_seconds in zip(sweep.run_manifests, sweep.judged_seconds, strict=True):
            seconds[run.level] += len(judged_seconds)
        judged = [name for name, second in zip(sweep.runs["run"], sweep.judged_seconds, strict=True) if second]
        listed = sweep.listed.fold(sweep.failures)
        failures = listed.assign(whole_runs=listed["count"], count=listed["count"] * _is_judged(listed, judged))
        frames = {
            "levels": sweep.levels,
            "runs": sweep.runs,
            "sources": sweep.health.merge(sweep.runs[["run", "level"]], on="run"),
            "totals": sweep.totals,
            "groups": sweep.groups,
            "endpoints": sweep.listed_endpoints,
            "failures": failures.groupby(["level", *FAILURE], observed=True)[_COUNTS].sum().reset_index(),
            "generator": _generator_by_level(sweep),
            "target": _use(sweep.target, ["level"]),
        }
        answers = sweep.listed.fold(with_groups(sweep.responses, sweep.manifest.objectives))
        codes = None if answers.empty else _codes(answers[_is_judged(answers, judged)])
        return cls(sweep, seconds, {name: rows_of(frame) for name, frame in frames.items()}, codes)

    def result(self, level: Level) -> doc.LevelResult:
        """Return what was found at a level."""
        [judged] = self._of("levels", level)
        totals = next(self._of("totals", level), {})
        return doc.LevelResult(
            level=level,
            verdict=judged["verdict"],
            reasons=self.sweep.reasons_of(level),
            steady_s=self.seconds.get(level, 0),
            runs={f"r{row['repeat']}": self._run(row) for row in self._of("runs", level)},
            totals=self._figures(doc.Figures, totals, level),
            groups={
                row["group"]: self._figures(doc.Figures, row, level, row["group"]) for row in self._of("groups", level)
            },
            endpoints={
                f"{row['method']} {row['name']}": self._figures(
                    doc.EndpointFigures, row, level, row["method"], row["name"]
                )
                for row in self._of("endpoints", level)
            },
            failures=[
                self._failure(doc.Failure, row)
                for row in _most_frequent([row for row in self._of("failures", level) if row["count"]], "count")
            ],
            resources=doc.Resources(
                generator={row["source"]: _generator(row) for row in self._of("generator", level)},
                target=next(
                    (doc.TargetUse.of(row, cpu_percent=doc.Use.of(row)) for row in self._of("target", level)), None
                ),
            ),
            objectives={
                f"{judged.objective.group} {judged.objective.metric}": _objective(judged)
                for judged in self.sweep.judged
                if judged.level == level
            },
        )

    def all_failures(self) -> list[doc.FailureOfRuns]:
        """Return the failures of all levels together, most frequent first."""
        kinds: dict[Place, Row] = {}
        for row in self.rows["failures"]:
            kind = kinds.setdefault(tuple(row[name] for name in FAILURE), {**row, "count": 0, "whole_runs": 0})
            kind |= {name: kind[name] + row[name] for name in _COUNTS}
            kind.setdefault("levels", []).append(row["level"])
        ordered = sorted(kinds.values(), key=lambda kind: int(kind["whole_runs"]), reverse=True)
        return [self._failure(doc.FailureOfRuns, row) for row in _most_frequent(ordered, "whole_runs")]

    def max_sustainable(self) -> doc.Throughput | None:
        """Return the highest rate of successful requests of a level that passes all of its objectives."""
        # Without an objective nothing has shown that the service keeps up.
        shown = {judged.level for judged in self.sweep.judged}
        passed = {row["level"] for row in self.rows["levels"] if row["verdict"] == Verdict.PASS} & shown
        totals = (row for row in self.rows["totals"] if row["level"] in passed)
        rates = [(row["ok"] / self.seconds[row["level"]], row["level"]) for row in totals]
        if not rates:
            return None
        rps, level = max(rates)
        return doc.Throughput(rps=rps, level=level)

    def _of(self, table: str, level: Level) -> Iterator[Row]:
        return (row for row in self.rows[table] if row["level"] == level)

    def _figures(self, kind: type[FiguresT], row: Row, *place: object) -> FiguresT:
        """Return the figures of a row of totals, groups or endpoints, which may be empty."""
        latency = Latency(
            avg=row.get("mean_ms"),
            min=row.get("min_ms"),
            max=row.get("max_ms"),
            clock=row["clock"] if row.get("ok") else None,
            **{metric.words: row.get(metric.name) for metric in PERCENTILES},
        )
        codes = None if self.codes is None else dict(self.codes.get(place, {}))
        return kind.of(_NO_REQUESTS | row, latency_ms=latency, response_codes=codes)

    def _failure(self, kind: type[FailureT], row: Row) -> FailureT:
        # A managed target has another port each time, which a diff of two sweeps must not show.
        message = row["message"].replace(self.sweep.manifest.target.host, "{host}")
        return kind.of(row, status=_status(row["status"]), message=message)

    def _run(self, row: Row) -> doc.Run:
        has_window = bool(np.isfinite(row["window_start"]))
        sources = (source for source in self._of("sources", row["level"]) if source["run"] == row["run"])
        return doc.Run.of(
            row,
            name=row["run"],
            valid=row["validity"] == "valid",
            reason=row["reasons"],
            window=doc.Window(start_s=row["window_start"], end_s=row["window_end"]) if has_window else None,
            sources={source["source"]: _source(source) for source in sources},
        )


def _is_judged(frame: pd.DataFrame, runs: Iterable[str]) -> pd.Series[bool]:
    return frame["steady"] & frame["run"].isin(list(runs))


def _most_frequent(kinds: Sequence[Row], count: str) -> list[Row]:
    """Return the most frequent kinds of failures, in their order, and what there is beyond them as one kind."""
    ranked = sorted(range(len(kinds)), key=lambda at: -int(kinds[at][count]))
    rare = [kinds[at] for at in ranked[MAX_FAILURES:]]
    rest = {
        **dict.fromkeys(FAILURE, ""),
        "outcome": "several",
        "message": f"{len(rare)} rarer kinds of failures",
        "levels": [],
        **{name: sum(kind[name] for kind in rare) for name in _COUNTS},
    }
    return [kinds[at] for at in sorted(ranked[:MAX_FAILURES])] + ([rest] if rare else [])


def _codes(answers: pd.DataFrame) -> Mapping[Place, Counter[str]]:
    """Return requests by status, by (level,), (level, group) and (level, method, name)."""
    codes: dict[Place, Counter[str]] = {}
    counts = answers.groupby(["level", "group", "method", "name", "status"], observed=True)["count"].sum()
    for row in rows_of(counts.reset_index()):
        level, status = row["level"], _status(row["status"])
        for place in ((level,), (level, row["group"]), (level, row["method"], row["name"])):
            codes.setdefault(place, Counter())[status] += row["count"]
    return codes


def _generator_by_level(sweep: Sweep) -> pd.DataFrame:
    """Return the sources' health and use of CPU and memory by level, repeats pooled."""
    generator = sweep.generator
    pooled = health(generator.assign(run=generator["level"])).rename(columns={"run": "level"})
    return pooled[["level", "source", "lag_p50_ms", "lag_ms", "achieved_load"]].merge(
        _use(generator, ["level", "source"]), on=["level", "source"]
    )


def _use(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    by_keys = frame[frame["steady"]].groupby(keys, observed=True)
    return by_keys.agg(
        mean=("cpu_percent", "mean"), max=("cpu_percent", "max"), rss_mb_max=("rss_mb", "max")
    ).reset_index()


def _generator(row: Row) -> doc.Generator:
    return doc.Generator.of(row, cpu_percent=doc.Use.of(row), loop_lag_ms=_lag(row))


def _source(row: Row) -> doc.Source:
    overhead = doc.ClientOverhead(p50=row["client_overhead_p50_ms"], p99=row["client_overhead_p99_ms"])
    return doc.Source.of(row, loop_lag_ms=_lag(row), client_overhead_ms=overhead)


def _lag(row: Row) -> doc.Lag:
    return doc.Lag(p50=row["lag_p50_ms"], max=row["lag_ms"])


def _objective(judged: Judged) -> doc.Objective:
    judgement = judged.judgement
    return doc.Objective.of(
        dict(judged.objective),
        measured=judgement.measured,
        low=judgement.bounds.low,
        high=judgement.bounds.high,
        samples=judgement.samples,
        effective_samples=judgement.effective,
        clock=judgement.clock or None,
        verdict=judged.verdict,
        reason=judged.reason,
        advice=judgement.advice,
    )


def _status(status: object) -> str:
    text = str(status)
    return NO_STATUS if text in {"", "0"} else text
