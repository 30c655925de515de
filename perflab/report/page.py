"""The report of a result: its notebook run and shown as a page, ``report.ipynb`` and ``report.html`` in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from perflab.errors import PerflabError, UsageError, naming
from perflab.report.notebook import NotebookError, export_html, run_notebook
from perflab.results import kind_of
from perflab.starter import find_notebooks
from perflab.store.layout import Result
from perflab.store.scratch import scratch_folder


def find_notebook(name: str = "sweep.ipynb") -> Path:
    """Return one of perflab's notebooks, from an installed package or a checkout; raises PerflabError."""
    notebook = find_notebooks() / name
    if notebook.is_file():
        return notebook
    raise PerflabError(f"notebook {name!r} is missing from this perflab: install it again")


def render(result: Result, parameters: Mapping[str, Any] | None = None, notebook: Path | None = None) -> Path:
    """Write the report of a sweep or a comparison; return the path of ``report.html``. An earlier one is replaced.

    `notebook` is one of your own; it has the parameters that say what is shown: sweep_id and runs_dir, or baseline,
    candidate and runs_dir. `parameters` are others that it has. Raises UsageError for an unknown parameter, and
    NotebookError when a cell fails: what there is then lies in ``report-failed.html`` and ``.ipynb``.
    """
    kind = kind_of(result)
    pieces = import_module(f"perflab.report.{kind.name}")
    own = pieces.parameters(result)
    given = dict(parameters or {})
    for name in own:
        if name in given:
            raise UsageError(f"notebook parameter {name!r} is set by the report itself: choose the {kind.name} by id")
    source = notebook or find_notebook(kind.notebook)
    folder = result.dir.path.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder, source, given | own, title=pieces.title(result), isolated=notebook is None)
    return result.dir.report_html


def _replace(folder: Path, notebook: Path, parameters: Mapping[str, Any], *, title: str, isolated: bool) -> None:
    """Put the page of a notebook and itself into `folder`, both or, if a cell fails, neither."""
    with naming(folder), scratch_folder("report", folder) as beside:
        made = beside / "report.ipynb"
        page = made.with_suffix(".html")
        try:
            run_notebook(notebook, made, parameters, isolated=isolated)
        except NotebookError as error:
            kept = folder / "report-failed.html"
            for scratch, place in ((made, kept.with_suffix(".ipynb")), (page, kept)):
                # A kernel that has died leaves nothing to be kept.
                if scratch.exists():
                    scratch.replace(place)
            raise NotebookError(str(error).replace(str(page), str(kept))) from None
        export_html(made, page, title=title)
        made.replace(folder / "report.ipynb")
        page.replace(folder / "report.html")
    for name in ("report-failed.html", "report-failed.ipynb"):
        (folder / name).unlink(missing_ok=True)
