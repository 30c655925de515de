"""A sweep's figures as the document ``metrics.json``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from perflab.analyse.assemble import with_groups
from perflab.analyse.health import health
from perflab.analyse.intervals import Bounds
from perflab.analyse.judge import Judgement
from perflab.analyse.sweep import Sweep
from perflab.analyse.window import whole_seconds
from perflab.analyse.wording import reason
from perflab.plan.objectives import Objective
from perflab.report import metrics
from perflab.vocabulary.verdict import Verdict

# Finer than any of them is known, and coarse enough that no noise of floating point shows in a diff.
RATE_DIGITS, LATENCY_DIGITS, RPS_DIGITS, USE_DIGITS = 6, 3, 3, 1
NO_STATUS = "none"
FAILURE = ("method", "name", "outcome", "status", "message")
# At each level: that many texts may be of any length that messages have, and names too.
MOST_FAILURES = 500

Record = dict[str, Any]


def collect(sweep: Sweep) -> metrics.Metrics:
    """Return a sweep's figures and verdict; raises StoreError if a table can't be read."""
    levels = _Levels.of(sweep)
    return metrics.Metrics(
        schema_version=1,
        metadata=_metadata(sweep),
        timestamps=_timestamps(sweep),
        plan=metrics.Plan(**sweep.manifest.plan.model_dump(include=set(metrics.Plan.model_fields))),
        status=sweep.manifest.status,
        levels={f"{users:04d}": levels.level(users) for users in sweep.user_counts},
        max_sustainable_throughput=levels.max_sustainable(),
        verdict=sweep.verdict,
        headline=sweep.headline,
        exit_code=sweep.verdict.exit_code,
        reasons=sweep.reasons,
        notes=sweep.notes,
    )


def _metadata(sweep: Sweep) -> metrics.Metadata:
    manifest, environment = sweep.manifest, sweep.manifest.environment
    first = next(iter(sweep.run_manifests), None)
    return metrics.Metadata(
        sweep_id=sweep.id,
        label=manifest.label,
        versions=first.versions if first else environment.get("versions", {}),
        machine={
            name: value
            for name, value in environment.items()
            if name != "git_commit" and isinstance(value, str | int | float | None)
        },
        git_commit=first.git_commit if first else environment.get("git_commit"),
        # Its place on disk is nobody's business; its name says enough.
        locustfile="/".join(Path(manifest.plan.locustfile).parts[-2:]),
        seed=manifest.plan.seed,
        target=metrics.Target(host=manifest.target.host, managed=manifest.target.managed),
    )


def _timestamps(sweep: Sweep) -> metrics.Timestamps:
    names = [str(run) for run in sweep.runs["run"]]
    return metrics.Timestamps(
        created=sweep.manifest.created,
        start=min((run.start for run in sweep.run_manifests if run.start), default=None),
        end=max((run.end for run in sweep.run_manifests if run.end), default=None),
        runs={
            name: metrics.RunTimes(start=run.start, end=run.end)
            for name, run in zip(names, sweep.run_manifests, strict=True)
        },
    )


@dataclass(frozen=True, slots=True)
class _Levels:
    """A sweep's frames as rows, each with its user count.

    `seconds` are those judged at each user count; `codes` tell how many requests got which status, None if unknown.
    """

    sweep: Sweep
    seconds: Mapping[int, int]
    rows: Mapping[str, list[Record]]
    codes: Mapping[tuple[object, ...], Counter[str]] | None

    @classmethod
    def of(cls, sweep: Sweep) -> _Levels:
        """Return the rows of a sweep."""
        judged, seconds = set(), Counter[int]()
        for row, run, window in zip(_rows(sweep.runs), sweep.run_manifests, sweep.windows, strict=True):
            if run.status == "complete" and (length := len(whole_seconds(window))):
                judged.add(row["run"])
                seconds[run.users] += length
        frames = {
            "levels": sweep.levels,
            "runs": sweep.runs,
            "totals": sweep.totals,
            "groups": sweep.groups,
            "endpoints": sweep.listed_endpoints,
            "objectives": sweep.verdicts,
            "failures": _most(_count(_of_runs(sweep.listed.fold(sweep.failures), judged), FAILURE)),
            "generator": _by_source(sweep),
            "target": _use(sweep.target, ["users"]),
        }
        answers = sweep.listed.fold(with_groups(sweep.responses, sweep.manifest.objectives))
        codes = None if answers.empty else _codes(_of_runs(answers, judged))
        return cls(sweep, seconds, {name: _rows(frame) for name, frame in frames.items()}, codes)

    def level(self, users: int) -> metrics.Level:
        """Return one level."""
        [judged] = self._of("levels", users)
        totals = next(self._of("totals", users), {})
        return metrics.Level(
            users=users,
            verdict=judged["verdict"],
            reasons=[line for line in judged["reasons"].split("\n") if line],
            steady_s=self.seconds.get(users, 0),
            runs={f"r{row['repeat']}": _run(row) for row in self._of("runs", users)},
            totals=metrics.Figures(**self._figures(totals, users)),
            groups={
                row["group"]: metrics.Figures(**self._figures(row, users, row["group"]))
                for row in self._of("groups", users)
            },
            endpoints={
                f"{row['method']} {row['name']}": metrics.EndpointFigures(
                    group=row["group"], **self._figures(row, users, row["method"], row["name"])
                )
                for row in self._of("endpoints", users)
            },
            failures=[self._failure(row) for row in self._of("failures", users)],
            resources=metrics.Resources(
                generator={row["source"]: _generator(row) for row in self._of("generator", users)},
                target=next((metrics.TargetUse(**_used(row)) for row in self._of("target", users)), None),
            ),
            objectives={
                f"{row['group']} {row['objective']}": self._objective(row) for row in self._of("objectives", users)
            },
        )

    def max_sustainable(self) -> metrics.Throughput | None:
        """Return the highest rate of successful requests of a level that passes all of its objectives."""
        rates = []
        for row in self.rows["levels"]:
            users = row["users"]
            # Without an objective nothing has shown that the service keeps up.
            if row["verdict"] == Verdict.PASS and any(self._of("objectives", users)):
                [totals] = self._of("totals", users)
                rates.append((totals["ok"] / self.seconds[users], users))
        if not rates:
            return None
        rps, users = max(rates)
        return metrics.Throughput(rps=round(rps, RPS_DIGITS), users=users)

    def _of(self, table: str, users: int) -> Iterator[Record]:
        return (row for row in self.rows[table] if row["users"] == users)

    def _figures(self, row: Record, *place: object) -> Record:
        """Return the fields of `Figures` from a row of totals, groups or endpoints, which may be empty."""
        counts = {name: row.get(name, 0) for name in ("requests", "ok", "failed", "unanswered")}
        latencies = {"avg": row.get("mean_ms")}
        latencies |= {name: row.get(f"{name}_ms") for name in ("min", "p50", "p90", "p95", "p99", "max")}
        return {
            **counts,
            "rps": _rounded(row.get("rps"), RPS_DIGITS),
            "success_rate": _rounded(row.get("success_rate"), RATE_DIGITS),
            "error_rate": _rounded(row.get("error_rate"), RATE_DIGITS),
            "latency_ms": metrics.Latency(
                **{name: _rounded(latency, LATENCY_DIGITS) for name, latency in latencies.items()},
                clock=row["clock"] if counts["ok"] else None,
            ),
            "response_codes": None if self.codes is None else dict(self.codes.get(place, {})),
        }

    def _failure(self, row: Record) -> metrics.Failure:
        # A managed target has another port each time, which a diff of two sweeps must not show.
        message = row["message"].replace(self.sweep.manifest.target.host, "{host}")
        same = {name: row[name] for name in ("method", "name", "outcome", "count")}
        return metrics.Failure(**same, status=_status(row["status"]), message=message)

    def _objective(self, row: Record) -> metrics.Objective:
        limits = self.sweep.manifest.objectives.of_group(row["group"])
        objective = next(limit for limit in limits if limit.metric == row["objective"])
        return metrics.Objective(
            group=row["group"],
            metric=row["objective"],
            endpoints=list(objective.endpoints),
            **{name: _rounded(row[name], objective.definition.digits) for name in ("measured", "low", "high")},
            bound=objective.bound,
            limit=objective.limit,
            samples=row["samples"],
            effective_samples=_rounded(row["effective_samples"], 1),
            clock=row["clock"] or None,
            verdict=row["verdict"],
            reason=_reason(objective, row),
            advice=row["advice"],
            variable=objective.variable,
        )


def _rows(frame: pd.DataFrame) -> list[Record]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _of_runs(frame: pd.DataFrame, runs: Iterable[str]) -> pd.DataFrame:
    return frame[frame["steady"] & frame["run"].isin(list(runs))]


def _count(frame: pd.DataFrame, keys: Iterable[str]) -> pd.DataFrame:
    return frame.groupby(["users", *keys], observed=True)["count"].sum().reset_index()


def _most(failures: pd.DataFrame) -> pd.DataFrame:
    """Return the most frequent kinds of failures of each level, and what there is beyond them as one kind."""
    kinds = failures.sort_values("count", ascending=False, kind="stable")
    listed = kinds.groupby("users").cumcount() < MOST_FAILURES
    further = kinds[~listed].groupby("users")["count"].agg(count="sum", kinds="size").reset_index()
    further["message"] = [f"{kinds} rarer kinds of failures" for kinds in further.pop("kinds")]
    rest = further.assign(method="", name="", outcome="several", status="")
    return pd.concat([failures[listed.sort_index()], rest[failures.columns]], ignore_index=True)


def _codes(answers: pd.DataFrame) -> Mapping[tuple[object, ...], Counter[str]]:
    """Return requests by status, by (users,), (users, group) and (users, method, name)."""
    codes: dict[tuple[object, ...], Counter[str]] = {}
    for row in _rows(_count(answers, ("group", "method", "name", "status"))):
        users, status = row["users"], _status(row["status"])
        for place in ((users,), (users, row["group"]), (users, row["method"], row["name"])):
            codes.setdefault(place, Counter())[status] += row["count"]
    return codes


def _by_source(sweep: Sweep) -> pd.DataFrame:
    """Return the sources' health and use of CPU and memory by level, repeats pooled."""
    generator = sweep.generator
    pooled = health(generator.assign(run=generator["users"])).rename(columns={"run": "users"})
    return pooled[["users", "source", "lag_p50_ms", "lag_ms", "offered"]].merge(
        _use(generator, ["users", "source"]), on=["users", "source"]
    )


def _use(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    by_keys = frame[frame["steady"]].groupby(keys, observed=True)
    return by_keys.agg(
        mean=("cpu_percent", "mean"), max=("cpu_percent", "max"), rss_mb_max=("rss_mb", "max")
    ).reset_index()


def _used(row: Record) -> Record:
    return {
        "cpu_percent": metrics.Use(**{name: _rounded(row[name], USE_DIGITS) for name in ("mean", "max")}),
        "rss_mb_max": _rounded(row["rss_mb_max"], USE_DIGITS),
    }


def _generator(row: Record) -> metrics.Generator:
    lag = metrics.Lag(p50=_rounded(row["lag_p50_ms"], LATENCY_DIGITS), max=_rounded(row["lag_ms"], LATENCY_DIGITS))
    return metrics.Generator(**_used(row), loop_lag_ms=lag, offered=round(row["offered"], RATE_DIGITS))


def _run(row: Record) -> metrics.Run:
    window = None
    if math.isfinite(row["window_start"]):
        window = metrics.Window(start_s=round(row["window_start"], 3), end_s=round(row["window_end"], 3))
    return metrics.Run(
        status=row["status"],
        valid=row["validity"] == "valid",
        window=window,
        requests=row["requests"],
        rps=_rounded(row["rps"], RPS_DIGITS),
    )


def _reason(objective: Objective, row: Record) -> str:
    if row["verdict"] in {Verdict.PASS, Verdict.INVALID}:
        return "" if row["verdict"] == Verdict.PASS else str(row["advice"])
    low, high = (None if math.isnan(row[name]) else row[name] for name in ("low", "high"))
    judgement = Judgement(
        row["measured"], Bounds(low, high), row["samples"], row["effective_samples"], row["verdict"], row["advice"]
    )
    return reason(objective, row["users"], judgement)


def _status(status: object) -> str:
    text = str(status)
    return NO_STATUS if text in {"", "0"} else text


def _rounded(value: float | None, digits: int) -> float | None:
    # Infinite is the latency of a request that was never answered; JSON has no such number.
    return round(value, digits) if value is not None and math.isfinite(value) else None
