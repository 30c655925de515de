"""Reports: the pieces of a result's page for notebooks, and ``report.html``.

    report.sweep.verdict(sweep)               a piece of a sweep's page; report.sweep.<TAB> shows all of them
    report.comparison.verdict(comparison)     the same of a comparison's
    report.render(sweep)                      runs the notebook and writes report.html into the sweep's folder

Names are imported when they are first used: a notebook's own kernel never needs to run notebooks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from perflab.results import KINDS

if TYPE_CHECKING:
    from perflab.report.notebook import export_html, run_notebook
    from perflab.report.page import find_notebook, render
    from perflab.report.parameters import check_parameters

_HOMES = {
    "check_parameters": "perflab.report.parameters",
    "export_html": "perflab.report.notebook",
    "find_notebook": "perflab.report.page",
    "render": "perflab.report.page",
    "run_notebook": "perflab.report.notebook",
}

__all__ = ["check_parameters", "export_html", "find_notebook", "render", "run_notebook"]

_PIECES = [kind.name for kind in KINDS]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _PIECES:
        return import_module(f"perflab.report.{name}")
    raise AttributeError(f"module 'perflab.report' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_PIECES])
