"""The reports of a recorded sweep and of a comparison: ``report.ipynb`` and ``report.html`` in their folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perflab.errors import PerflabError, UsageError, naming
from perflab.report.export import export_html
from perflab.report.runner import NotebookError, run_notebook
from perflab.starter import find_notebooks
from perflab.store.layout import ComparisonDir, SweepDir
from perflab.store.scratch import scratch_folder


def find_notebook(name: str = "sweep.ipynb") -> Path:
    """Return one of perflab's notebooks, from an installed package or a checkout; raises PerflabError."""
    notebook = find_notebooks() / name
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
    own = {"sweep_id": sweep_dir.id, "runs_dir": str(SweepDir(sweep_dir.path.absolute()).runs_dir)}
    given = _with_own(parameters, own, "choose the sweep by its id")
    _render(sweep_dir.path, notebook, "sweep.ipynb", given, title=f"Load sweep {sweep_dir.id}")
    return sweep_dir.report_html


def render_comparison(
    place: ComparisonDir,
    *,
    baseline: str,
    candidate: str,
    runs_dir: Path,
    parameters: Mapping[str, Any] | None = None,
    notebook: Path | None = None,
) -> Path:
    """Write the report of two sweeps' comparison, given by id, and return the path of ``report.html``.

    `notebook` must have the parameters baseline, candidate and runs_dir; `parameters` are further ones, such as margin.
    Raises as `render_report`.
    """
    own = {"baseline": baseline, "candidate": candidate, "runs_dir": str(runs_dir.absolute())}
    given = _with_own(parameters, own, "choose the sweeps by their ids")
    place.path.mkdir(parents=True, exist_ok=True)
    # The two sides of one A/B comparison have its id before a slash.
    of_candidate, of_baseline = candidate.partition("/")[0], baseline.partition("/")[0]
    same = of_candidate == of_baseline
    title = f"A/B comparison {of_candidate}" if same else f"{candidate} against {baseline}"
    _render(place.path, notebook, "compare.ipynb", given, title=title)
    return place.report_html


def _with_own(parameters: Mapping[str, Any] | None, own: Mapping[str, str], way_out: str) -> dict[str, Any]:
    given = dict(parameters or {})
    for name in own:
        if name in given:
            raise UsageError(f"notebook parameter {name!r} is set by the report itself: {way_out}")
    return given | dict(own)


def _render(folder: Path, notebook: Path | None, own: str, parameters: Mapping[str, Any], *, title: str) -> None:
    """Run `notebook`, or perflab's `own`; put its page and itself into `folder`, both or, if a cell fails, neither."""
    place = folder.absolute()
    with naming(place), scratch_folder("report", place) as beside:
        made = beside / "report.ipynb"
        page = made.with_suffix(".html")
        try:
            run_notebook(notebook or find_notebook(own), made, parameters, isolated=notebook is None)
        except NotebookError as error:
            kept = place / "report-failed.html"
            for of, where in ((made, kept.with_suffix(".ipynb")), (page, kept)):
                # A kernel that has died leaves nothing to be kept.
                if of.exists():
                    of.replace(where)
            raise NotebookError(str(error).replace(str(page), str(kept))) from None
        export_html(made, page, title=title)
        made.replace(place / "report.ipynb")
        page.replace(place / "report.html")
    for name in ("report-failed.html", "report-failed.ipynb"):
        (place / name).unlink(missing_ok=True)
