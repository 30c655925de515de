"""What is printed of a comparison."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from perflab.cli.output.console import between, make_table, open_console, styled
from perflab.vocabulary.metric import metric_of
from perflab.vocabulary.number import change, signed
from perflab.vocabulary.verdict import Finding

if TYPE_CHECKING:
    from perflab.analyse.comparison.sweeps import SweepComparison
    from perflab.workbench import Check

_COLUMNS = ("users", "group", "figure", "baseline", "candidate", "change", "bounds", "result")
_NUMBERS = {"users", "baseline", "candidate", "change", "bounds"}

_WORDS = {Finding.OPEN: "open: may be worse than the margin", Finding.NO_MORE: "no more failures found"}


def print_comparison(comparison: SweepComparison, *, as_json: bool) -> None:
    """Print what is compared, row by row, then the verdict and its reasons; or all figures as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(comparison.to_dict(), indent=2) + "\n")
        return
    from perflab.report.comparison.phrases import DESIGNS

    console = open_console()
    table = make_table(*_COLUMNS, numbers=_NUMBERS)
    level = None
    for users, *cells in _rows(comparison):
        if level not in (None, users):
            table.add_section()
        level = users
        table.add_row(users, *cells)
    if table.row_count:
        console.print(table)
        console.print(
            f"  bounds: one-sided 95 % each; margin {100 * comparison.margin:g} %; a false regression in at most "
            f"{100 * comparison.alpha:g} % of comparisons; {DESIGNS[comparison.design]}",
            soft_wrap=True,
        )
    console.print(f"{styled(comparison.verdict)}  {escape(comparison.headline)}", soft_wrap=True)
    console.print(
        f"  baseline {escape(comparison.baseline.id)}, candidate {escape(comparison.candidate.id)}", soft_wrap=True
    )
    differ = comparison.comparability[["what", "kind"]].itertuples(index=False, name=None)
    if named := ", ".join(what if kind == "listed" else f"{what} ({kind})" for what, kind in differ):
        console.print(f"  they differ in: {escape(named)}", soft_wrap=True)
    for reason in [*comparison.reasons, *(f"note: {note}" for note in comparison.notes)]:
        console.print(f"  {escape(reason)}", soft_wrap=True)


def print_check(check: Check, *, as_json: bool) -> None:
    """Print a checked sweep's verdict on its objectives, then that on the change; or both as JSON."""
    from perflab.cli.output.sweeps import print_result

    if as_json:
        sys.stdout.write(json.dumps(check.to_dict(), indent=2) + "\n")
        return
    print_result(check.sweep, as_json=False)
    if check.comparison is None:
        return
    print_comparison(check.comparison, as_json=False)
    sweep, comparison = check.sweep.verdict, check.comparison.verdict
    open_console().print(f"{styled(check.verdict)}  objectives: {sweep}, against the baseline: {comparison}")


def _rows(comparison: SweepComparison) -> Iterator[Sequence[str]]:
    """Yield the table's rows: each group over all user counts, then level by level latency, throughput and failures."""
    yield from (_ratio_row("all", row, "latency") for row in comparison.latency_by_group.itertuples())
    yield from (_ratio_row("all", row, "throughput") for row in comparison.throughput_by_group.itertuples())
    yield from (_difference_row("all", row) for row in comparison.failures_by_group.itertuples())
    cells, totals = comparison.latency, comparison.throughput_by_level
    throughput, errors = comparison.throughput, comparison.failures
    for users in sorted({*cells["users"], *totals["users"], *throughput["users"], *errors["users"]}):
        latency, total, rates, failed = (
            frame[frame["users"] == users] for frame in (cells, totals, throughput, errors)
        )
        for row in latency.itertuples():
            yield _ratio_row(str(users), row, metric_of(str(row.metric)).words, "ms")
        # A single group is all requests.
        for row in (*(total.itertuples() if len(rates) > 1 else ()), *rates.itertuples()):
            yield _ratio_row(str(users), row, "throughput", "/s")
        for row in failed.itertuples():
            yield _difference_row(str(users), row)


def _ratio_row(users: str, row: Any, figure: str, unit: str = "") -> Sequence[str]:
    """Return a row whose change is a ratio; without a `unit` it is of several user counts and has but that."""
    figures = (_figure(row.baseline, unit), _figure(row.candidate, unit)) if unit else ("", "")
    bounds = between(_percent(row.low), _percent(row.high))
    return (users, _group(row), figure, *figures, _percent(row.ratio), bounds, _result(row))


def _difference_row(users: str, row: Any) -> Sequence[str]:
    difference, low, high = map(_points, (row.candidate_rate - row.baseline_rate, row.low, row.high))
    rates = (_share(row.baseline_rate), _share(row.candidate_rate))
    return (users, _group(row), "failed", *rates, difference, between(low, high), _result(row))


def _group(row: Any) -> str:
    return escape(str(getattr(row, "group", "all requests")))


def _result(row: Any) -> str:
    """Return a row's verdict; where there is none, why."""
    finding = Finding(row.verdict)
    style = finding.verdict.style if finding.marked else "default"
    text = _WORDS.get(finding, finding.value)
    if finding is Finding.NOT_ASSESSABLE:
        text = str(row.evidence)
    elif finding is Finding.OPEN and math.isnan(row.p_regression):
        # Of a single run on a side the bounds may be far from zero, but they are not those of runs.
        text = "open: it takes several runs"
    return f"[{style}]{escape(text)}[/]"


def _percent(ratio: float) -> str:
    return change(ratio) if math.isfinite(ratio) and ratio > 0 else "-"


def _points(difference: float) -> str:
    """Return a difference of two shares in percentage points."""
    return f"{signed(100 * difference, 2)} pp" if math.isfinite(difference) else "-"


def _share(rate: float) -> str:
    return f"{100 * rate:.2f} %" if math.isfinite(rate) else "-"


def _figure(value: float, unit: str) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.1f} {unit}" if math.isfinite(value) else "∞"
