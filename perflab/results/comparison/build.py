"""A comparison's figures and verdict as its document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.analyse.sweep import Sweep
from perflab.results.comparison import document as doc
from perflab.results.sweep.build import Row, git_commit, rows_of, target
from perflab.store.layout import SIDES
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import metric_of


def build(comparison: SweepComparison) -> doc.ComparisonDocument:
    """Return a comparison's document; raises StoreError if a table can't be read."""
    return doc.ComparisonDocument(
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
        reasons=comparison.reasons,
        other_reasons=comparison.other_reasons,
        notes=comparison.notes,
        slower=comparison.slower,
        improved=comparison.improved,
        additional_runs=comparison.additional_runs,
        comparability=[doc.Difference(**row) for row in rows_of(comparison.comparability)],
        groups=_groups(comparison),
        levels=_levels(comparison),
    )


def _side(sweep: Sweep) -> doc.Side:
    return doc.Side(
        sweep_id=sweep.id,
        label=sweep.manifest.label,
        created=sweep.manifest.created,
        target=target(sweep),
        launch=sweep.manifest.plan.launch,
        git_commit=git_commit(sweep),
    )


def _groups(comparison: SweepComparison) -> dict[str, doc.Group]:
    latency = {row["group"]: doc.Ratio.of(row) for row in rows_of(comparison.latency_by_group)}
    throughput = {row["group"]: doc.Ratio.of(row) for row in rows_of(comparison.throughput_by_group)}
    failures = {row["group"]: _failures(row) for row in rows_of(comparison.failures_by_group)}
    names = dict.fromkeys([*comparison.latency["group"], *throughput, *failures])
    return {
        name: doc.Group(latency=latency.get(name), throughput=throughput.get(name), failures=failures.get(name))
        for name in names
    }


def _levels(comparison: SweepComparison) -> dict[str, doc.LevelResult]:
    totals = {row["level"]: doc.Throughput.of(row) for row in rows_of(comparison.throughput_by_level)}
    throughput = {(row["level"], row["group"]): doc.Throughput.of(row) for row in rows_of(comparison.throughput)}
    failures = {(row["level"], row["group"]): _failures(row) for row in rows_of(comparison.failures)}
    latency = _latency(comparison)
    cells = dict.fromkeys([*latency, *throughput, *failures])
    used = comparison.latency_by_run[comparison.latency_by_run["used"]]
    runs = used.groupby(["side", "level"])["repeat"].nunique().to_dict()
    return {
        level.name: doc.LevelResult(
            level=level,
            **{f"{side}_runs": runs.get((side, level), 0) for side in SIDES},
            throughput=totals.get(level),
            groups={
                group: doc.LevelGroup(
                    latency=latency.get((at, group), {}),
                    throughput=throughput.get((at, group)),
                    failures=failures.get((at, group)),
                )
                for at, group in cells
                if at == level
            },
        )
        for level in sorted({*totals, *(at for at, _ in cells)})
    }


def _latency(comparison: SweepComparison) -> dict[tuple[Level, str], dict[str, doc.Latency]]:
    runs = _by_cell(comparison.latency_by_run, "side")
    spread = _by_cell(comparison.spread)
    figures: dict[tuple[Level, str], dict[str, doc.Latency]] = {}
    for row in rows_of(comparison.latency):
        cell = (row["level"], row["group"], row["metric"])
        figures.setdefault(cell[:2], {})[metric_of(row["metric"]).words] = doc.Latency.of(
            row,
            clock=row["clock"] or None,
            **{f"{side}_runs": _runs(runs.get((side, *cell), ())) for side in SIDES},
            spread=next(map(doc.Spread.of, spread.get(cell, ())), None),
        )
    return figures


def _by_cell(frame: pd.DataFrame, *columns: str) -> dict[tuple[Any, ...], list[Row]]:
    """Return rows by `columns`, level, group and metric."""
    rows: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows_of(frame):
        rows.setdefault(tuple(row[name] for name in (*columns, "level", "group", "metric")), []).append(row)
    return rows


def _runs(rows: Iterable[Row]) -> doc.Runs:
    ordered = sorted(rows, key=lambda row: int(row["repeat"]))
    return doc.Runs(
        used={f"r{row['repeat']}": row["value"] for row in ordered if row["used"]},
        left_out={f"r{row['repeat']}": row["why"] for row in ordered if not row["used"]},
    )


def _failures(row: Row) -> doc.FailureRates:
    sides = {side: doc.Failed(**{name: row[f"{side}_{name}"] for name in doc.Failed.model_fields}) for side in SIDES}
    return doc.FailureRates.of(row, **sides)
