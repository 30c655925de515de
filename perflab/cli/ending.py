"""How a command that judges ends: the verdict is shown, files and report are written, its exit code is returned.

The verdict comes first: a report that can't be written must not hide it, nor change the exit code.
"""

from __future__ import annotations

from collections.abc import Sequence

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.analyse.sweep import Sweep
from perflab.cli import output


def end_sweep(result: Sweep, *, report: bool, as_json: bool) -> int:
    """Show a finished sweep's verdict, write its results and its report; return the exit code."""
    from perflab.report import write_results

    output.print_result(result, as_json=as_json)
    write_results(result, report=report)
    if report:
        with output.failure_reported("report"):
            from perflab.report import render_report

            output.print_report(render_report(result.dir), as_json=as_json)
    return result.verdict.exit_code


def end_comparison(comparison: SweepComparison, *, report: bool, as_json: bool, waived: Sequence[str] = ()) -> int:
    """Show a comparison's verdict, write its results and its report; return the exit code.

    `waived` is what was allowed to differ.
    """
    output.print_comparison(comparison, as_json=as_json)
    write_comparison(comparison, report=report, as_json=as_json, waived=waived)
    return comparison.verdict.exit_code


def write_comparison(comparison: SweepComparison, *, report: bool, as_json: bool, waived: Sequence[str] = ()) -> None:
    """Write a comparison's results, and its report if that is wanted, and say where that is."""
    from perflab.report import write_comparison as write
    from perflab.workbench import common_ab, comparison_place

    place = comparison_place(comparison)
    write(comparison, place, report=report)
    if not report:
        return
    with output.failure_reported("report"):
        # Running notebooks takes longer to import than to compare takes.
        from perflab.report import render_comparison

        baseline, candidate = comparison.baseline, comparison.candidate
        # Those of an A/B comparison are in its own manifest.
        options = {} if common_ab(baseline, candidate) else {"margin": comparison.margin, "alpha": comparison.alpha}
        page = render_comparison(
            place,
            baseline=baseline.id,
            candidate=candidate.id,
            runs_dir=candidate.dir.runs_dir,
            parameters={**options, "allow_different": list(waived)},
        )
        output.print_report(page, as_json=as_json)
