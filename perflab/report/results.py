"""A sweep's results for machines: ``metrics.json``, ``junit.xml`` and ``summary.md`` in its folder."""

from __future__ import annotations

from perflab.analyse.sweep import Sweep
from perflab.files import write_whole
from perflab.report.collect import collect
from perflab.report.junit import junit_xml
from perflab.report.summary import summary_md
from perflab.store.layout import SweepDir


def write_results(sweep: Sweep, *, report: bool) -> None:
    """Write the three files, each whole or not at all; `report` says whether the summary names ``report.html``.

    Raises StoreError if a table can't be read, OSError if a file can't be written.
    """
    metrics, place = collect(sweep), sweep.dir
    # Where runs lie is nobody's business: the folder and the id are enough to find it.
    named = f"{SweepDir(place.path.absolute()).runs_dir.name}/{place.id}/{place.report_html.name}" if report else None
    write_whole(place.metrics_json, metrics.to_json())
    write_whole(place.junit_xml, junit_xml(metrics))
    write_whole(place.summary_md, summary_md(metrics, named))
