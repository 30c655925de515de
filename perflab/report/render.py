"""A recorded sweep's report: ``report.ipynb`` and ``report.html`` in its folder."""

from __future__ import annotations

import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perflab.errors import PerflabError, UsageError
from perflab.report.export import export_html
from perflab.report.runner import NotebookError, run_notebook
from perflab.store.layout import SweepDir

_PACKAGE = Path(__file__).parent.parent
_OWN = ("sweep_id", "runs_dir")


def find_notebook(name: str = "sweep.ipynb") -> Path:
    """Return one of perflab's notebooks, from an installed package or a checkout; raises PerflabError."""
    checkout, installed = _PACKAGE.parent, Path(sysconfig.get_path("data"), "share", "perflab")
    # An editable installation may have copied the notebooks too; those of the checkout are the ones being edited.
    home = checkout if (checkout / "pyproject.toml").is_file() else installed
    notebook = home / "notebooks" / name
    if notebook.is_file():
        return notebook
    raise PerflabError(f"notebook {name!r} is missing from this perflab: install it again")


def render_report(
    sweep_dir: SweepDir, parameters: Mapping[str, Any] | None = None, notebook: Path | None = None
) -> Path:
    """Write a sweep's report and return the path of ``report.html``; an earlier report is replaced as a whole.

    `notebook` must have the parameters sweep_id and runs_dir. Raises UsageError for an unknown parameter, and
    NotebookError when a cell fails: what there is then lies in ``report-failed.html`` and ``.ipynb``.
    """
    given = dict(parameters or {})
    for name in _OWN:
        if name in given:
            raise UsageError(f"notebook parameter {name!r} is set by the report itself: choose the sweep by its id")
    place = sweep_dir.path.absolute()
    given |= {"sweep_id": sweep_dir.id, "runs_dir": str(SweepDir(place).runs_dir)}
    with tempfile.TemporaryDirectory(prefix=".report-", dir=place) as beside:
        made = Path(beside, "report.ipynb")
        page = made.with_suffix(".html")
        try:
            run_notebook(notebook or find_notebook(), made, given)
        except NotebookError as error:
            kept = place / "report-failed.html"
            made.replace(kept.with_suffix(".ipynb"))
            page.replace(kept)
            raise NotebookError(str(error).replace(str(page), str(kept))) from None
        export_html(made, page, title=f"Load sweep {sweep_dir.id}")
        made.replace(place / "report.ipynb")
        page.replace(place / "report.html")
    for name in ("report-failed.html", "report-failed.ipynb"):
        (place / name).unlink(missing_ok=True)
    return sweep_dir.report_html
