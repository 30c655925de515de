"""A comparison's results for machines: ``comparison.json``, ``junit.xml`` and ``summary.md``."""

from __future__ import annotations

from perflab.analyse.comparison.sweeps import SweepComparison
from perflab.files import write_whole
from perflab.report.comparison.collect import collect_comparison
from perflab.report.comparison.junit import comparison_junit
from perflab.report.comparison.summary import comparison_summary
from perflab.store.layout import ComparisonDir, SweepDir


def write_comparison(comparison: SweepComparison, place: ComparisonDir, *, report: bool) -> None:
    """Write the three files, each whole or not at all; `report` says whether the summary names ``report.html``.

    Raises StoreError if a table can't be read, OSError if a file can't be written.
    """
    document = collect_comparison(comparison)
    place.path.mkdir(parents=True, exist_ok=True)
    named = None
    if report:
        # Where runs lie is nobody's business: the folder and the ids are enough to find it.
        runs_dir = SweepDir(comparison.candidate.dir.path.absolute()).runs_dir
        named = f"{runs_dir.name}/{place.report_html.absolute().relative_to(runs_dir).as_posix()}"
    write_whole(place.comparison_json, document.to_json())
    write_whole(place.junit_xml, comparison_junit(document))
    write_whole(place.summary_md, comparison_summary(document, named))
