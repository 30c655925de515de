"""Reports: what notebooks show as tables; ``report.html`` for people; ``metrics.json`` and its kin for machines.

Names are imported when they are first used: a notebook's own kernel never needs to run notebooks, and results for
machines need no charts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perflab.report.banner import verdicts
    from perflab.report.comparison.results import write_comparison
    from perflab.report.comparison.tables import (
        comparison_changes,
        comparison_comparability,
        comparison_reading,
        comparison_spread,
    )
    from perflab.report.comparison.verdict import comparison_verdict
    from perflab.report.export import export_html
    from perflab.report.parameters import check_parameters
    from perflab.report.render import find_notebook, render_comparison, render_report
    from perflab.report.results import write_results
    from perflab.report.runner import run_notebook
    from perflab.report.tables import endpoints, failures, generator, how_measured, runs

__all__ = [
    "check_parameters",
    "comparison_changes",
    "comparison_comparability",
    "comparison_reading",
    "comparison_spread",
    "comparison_verdict",
    "endpoints",
    "export_html",
    "failures",
    "find_notebook",
    "generator",
    "how_measured",
    "render_comparison",
    "render_report",
    "run_notebook",
    "runs",
    "verdicts",
    "write_comparison",
    "write_results",
]

_HOMES = {
    "check_parameters": "perflab.report.parameters",
    "comparison_changes": "perflab.report.comparison.tables",
    "comparison_comparability": "perflab.report.comparison.tables",
    "comparison_reading": "perflab.report.comparison.tables",
    "comparison_spread": "perflab.report.comparison.tables",
    "comparison_verdict": "perflab.report.comparison.verdict",
    "endpoints": "perflab.report.tables",
    "export_html": "perflab.report.export",
    "failures": "perflab.report.tables",
    "find_notebook": "perflab.report.render",
    "generator": "perflab.report.tables",
    "how_measured": "perflab.report.tables",
    "render_comparison": "perflab.report.render",
    "render_report": "perflab.report.render",
    "run_notebook": "perflab.report.runner",
    "runs": "perflab.report.tables",
    "verdicts": "perflab.report.banner",
    "write_comparison": "perflab.report.comparison.results",
    "write_results": "perflab.report.results",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'perflab.report' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
