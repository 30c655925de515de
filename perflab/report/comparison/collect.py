"""A comparison's figures as the document ``comparison.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.analyse.sweep import Sweep
from perflab.report import metrics
from perflab.report.collect import LATENCY_DIGITS, RATE_DIGITS, RPS_DIGITS
from perflab.report.comparison import document as doc
from perflab.vocabulary.metric import metric_of

RATIO_DIGITS, P_DIGITS = 6, 6

Record = Mapping[Any, Any]


def collect_comparison(comparison: SweepComparison) -> doc.ComparisonDocument:
    """Return a comparison's figures and verdict; raises StoreError if a table can't be read."""
    return doc.ComparisonDocument(
        schema_version=1,
        baseline=_side(comparison.baseline),
        candidate=_side(comparison.candidate),
        procedure=doc.Procedure(
            design=comparison.design,
            margin=comparison.margin,
            alpha=comparison.alpha,
            looks=list(comparison.looks) if comparison.looks else None,
        ),
        verdict=comparison.verdict,
        change=comparison.change,
        exit_code=comparison.verdict.exit_code,
        headline=comparison.headline,
        reasons=list(comparison.reasons),
        notes=list(comparison.notes),
        slower=list(comparison.slower),
        improved=list(comparison.improved),
        additional_runs=comparison.additional_runs,
        comparability=[doc.Difference.model_validate(row) for row in _rows(comparison.comparability)],
        groups=_groups(comparison),
        levels=_levels(comparison),
    )


def _side(sweep: Sweep) -> doc.Side:
    manifest = sweep.manifest
    first = next(iter(sweep.run_manifests), None)
    return doc.Side(
        sweep_id=sweep.id,
        label=manifest.label,
        created=manifest.created,
        target=metrics.Target(host=manifest.target.host, managed=manifest.target.managed),
        git_commit=first.git_commit if first else manifest.environment.get("git_commit"),
    )


def _groups(comparison: SweepComparison) -> dict[str, doc.Group]:
    latency = {row["group"]: _change(row) for row in _rows(comparison.latency_by_group)}
    throughput = {row["group"]: _change(row) for row in _rows(comparison.throughput_by_group)}
    errors = {row["group"]: _errors(row) for row in _rows(comparison.failures_by_group)}
    names = dict.fromkeys([*comparison.latency["group"], *throughput, *errors])
    return {
        name: doc.Group(latency=latency.get(name), throughput=throughput.get(name), errors=errors.get(name))
        for name in names
    }


def _levels(comparison: SweepComparison) -> dict[str, doc.Level]:
    totals = {row["users"]: _throughput(row) for row in _rows(comparison.throughput_by_level)}
    throughput = {(row["users"], row["group"]): _throughput(row) for row in _rows(comparison.throughput)}
    errors = {(row["users"], row["group"]): _errors(row) for row in _rows(comparison.failures)}
    latency = _latency(comparison)
    cells = dict.fromkeys([*latency, *throughput, *errors])
    return {
        f"{users:04d}": doc.Level(
            users=users,
            throughput=totals.get(users),
            groups={
                group: doc.LevelGroup(
                    latency=latency.get((at, group), {}),
                    throughput=throughput.get((at, group)),
                    errors=errors.get((at, group)),
                )
                for at, group in cells
                if at == users
            },
        )
        for users in sorted({*totals, *(at for at, _ in cells)})
    }


def _latency(comparison: SweepComparison) -> dict[tuple[int, str], dict[str, doc.Latency]]:
    runs: dict[tuple[Any, ...], list[Record]] = {}
    for row in _rows(comparison.latency_by_run):
        runs.setdefault((row["side"], row["users"], row["group"], row["metric"]), []).append(row)
    spread = {(row["users"], row["group"], row["metric"]): _spread(row) for row in _rows(comparison.spread)}
    found: dict[tuple[int, str], dict[str, doc.Latency]] = {}
    for row in _rows(comparison.latency):
        key = (row["users"], row["group"], row["metric"])
        found.setdefault(key[:2], {})[metric_of(row["metric"]).words] = doc.Latency(
            **_change(row).model_dump(),
            baseline=_number(row["baseline"], LATENCY_DIGITS),
            candidate=_number(row["candidate"], LATENCY_DIGITS),
            clock=row["clock"] or None,
            baseline_runs=_runs(runs.get(("baseline", *key), ())),
            candidate_runs=_runs(runs.get(("candidate", *key), ())),
            spread=spread.get(key),
        )
    return found


def _runs(rows: Iterable[Record]) -> doc.Runs:
    ordered = sorted(rows, key=lambda row: row["repeat"])
    return doc.Runs(
        used={f"r{row['repeat']}": round(row["value"], LATENCY_DIGITS) for row in ordered if row["used"]},
        left_out={f"r{row['repeat']}": row["why"] for row in ordered if not row["used"]},
    )


def _spread(row: Record) -> doc.Spread:
    low, high = (round(row[bound], LATENCY_DIGITS) for bound in ("low", "high"))
    return doc.Spread(runs=row["runs"], low=low, high=high, inside=row["inside"])


def _change(row: Record) -> doc.Ratio:
    return doc.Ratio(
        ratio=_number(row["ratio"], RATIO_DIGITS),
        # A ratio that may be as small as can be has no lower bound.
        low=_number(row["low"], RATIO_DIGITS) or None,
        high=_number(row["high"], RATIO_DIGITS),
        p_regression=_p_value(row["p_regression"]),
        p_adjusted=_p_value(row["p_adjusted"]),
        verdict=row["verdict"],
        words=row["words"],
        evidence=row["evidence"],
    )


def _throughput(row: Record) -> doc.Throughput:
    return doc.Throughput(
        **_change(row).model_dump(),
        baseline=_number(row["baseline"], RPS_DIGITS),
        candidate=_number(row["candidate"], RPS_DIGITS),
    )


def _errors(row: Record) -> doc.ErrorRates:
    sides = {
        side: doc.Failed(
            requests=row[f"{side}_requests"],
            failed=row[f"{side}_failed"],
            rate=_number(row[f"{side}_rate"], RATE_DIGITS),
        )
        for side in ("baseline", "candidate")
    }
    return doc.ErrorRates(
        baseline=sides["baseline"],
        candidate=sides["candidate"],
        low=_number(row["low"], RATE_DIGITS),
        high=_number(row["high"], RATE_DIGITS),
        p_regression=_p_value(row["p_regression"]),
        p_adjusted=_p_value(row["p_adjusted"]),
        verdict=row["verdict"],
        words=row["words"],
        evidence=row["evidence"],
    )


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _p_value(value: float) -> float | None:
    return float(f"{value:.{P_DIGITS}g}") if math.isfinite(value) else None


def _rows(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")
