"""``perflab compare``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from perflab.cli import options

if TYPE_CHECKING:
    from perflab.analyse.comparison.sweeps import SweepComparison

Baseline = Annotated[str, typer.Argument(metavar="BASE", help="The sweep to hold against, or an A/B comparison.")]
Candidate = Annotated[
    str | None,
    typer.Argument(metavar="CANDIDATE", help="The sweep that may be slower. Default: the latest complete."),
]


def compare(
    baseline: Baseline,
    candidate: Candidate = None,
    margin: options.Margin = None,
    alpha: options.Alpha = None,
    allow_different: options.AllowDifferent = None,
    runs_dir: options.RunsDir = None,
    no_report: options.NoReport = False,
    json: options.AsJson = False,
) -> int:
    """Tell whether a recorded sweep is slower than another, or whether it is just noise."""
    from perflab import workbench

    waived = allow_different or ()
    comparison = workbench.compare(
        baseline, candidate, runs_dir=runs_dir, margin=margin, alpha=alpha, allow_different=waived
    )
    return conclude(comparison, report=not no_report, as_json=json, waived=waived)


def conclude(comparison: SweepComparison, *, report: bool, as_json: bool, waived: Sequence[str] = ()) -> int:
    """Show a comparison's verdict, write its results and its report; return the exit code."""
    from perflab.cli import output

    # The verdict first: a report that can't be written must not hide it, nor change the exit code.
    output.print_comparison(comparison, as_json=as_json)
    write(comparison, report=report, as_json=as_json, waived=waived)
    return comparison.verdict.exit_code


def write(comparison: SweepComparison, *, report: bool, as_json: bool, waived: Sequence[str] = ()) -> None:
    """Write a comparison's results, and its report if that is wanted, and say where that lies.

    `waived` is what was allowed to differ.
    """
    from perflab.cli import output
    from perflab.report import write_comparison
    from perflab.workbench import common_ab, comparison_place

    place = comparison_place(comparison)
    write_comparison(comparison, place, report=report)
    if not report:
        return
    with output.failure_reported("report"):
        # Running notebooks takes longer to import than to compare takes.
        from perflab.report import render_comparison

        baseline, candidate = comparison.baseline, comparison.candidate
        # Those of an A/B comparison stand in its own manifest.
        options = {} if common_ab(baseline, candidate) else {"margin": comparison.margin, "alpha": comparison.alpha}
        page = render_comparison(
            place,
            baseline=baseline.id,
            candidate=candidate.id,
            runs_dir=candidate.dir.runs_dir,
            parameters={**options, "allow_different": list(waived)},
        )
        output.print_report(page, as_json=as_json)
