"""Each of 60 000 requests has a name of its own, and fails in its own way: what is written stays small."""

from __future__ import annotations

from pathlib import Path

import pytest

from perflab import report
from perflab.analyse.sweep import Sweep
from perflab.results.sweep import build, to_summary
from perflab.results.sweep.build import MAX_FAILURES
from perflab.store.tables import RESPONSE_COLUMNS, TableWriter, create_table
from tests.analyse.conftest import Written

NAMES = 60_000
MAX_BYTES = 600_000


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    written = Written(tmp_path_factory.mktemp("many") / "runs")
    place = written.run((at % 10, f"/orders/{at}", f"E{at % 600}", 10.0, 1) for at in range(NAMES))
    failures = ((at % 10, "GET", f"/orders/{at}", f"E{at % 600}", 500, f"text {at % 200}", 1) for at in range(NAMES))
    answers = ((at % 10, "local", "GET", f"/orders/{at}", "U", f"E{at % 600}", 500, 1) for at in range(NAMES))
    create_table(place / "responses.csv", RESPONSE_COLUMNS)
    for table, rows in (("failures.csv", failures), ("responses.csv", answers)):
        writer = TableWriter(place / table)
        writer.append(rows)
        writer.close()
    return written.open()


def test_metrics_are_small_and_every_request_is_in_them(sweep: Sweep) -> None:
    metrics = build(sweep)
    [level] = metrics.levels.values()
    assert len(metrics.to_json()) < MAX_BYTES
    assert sum(endpoint.requests for endpoint in level.endpoints.values()) == NAMES
    rest = level.endpoints[" 59 500 more names"]
    assert (rest.requests, rest.response_codes) == (59_500, {"500": 59_500})
    assert sum(failure.count for failure in level.failures) == NAMES
    assert len(level.failures) == MAX_FAILURES + 1
    assert len(to_summary(metrics)) < 10_000


@pytest.mark.parametrize("piece", [report.sweep.endpoints, report.sweep.failures, report.sweep.how_measured])
def test_a_piece_of_the_page_is_small(sweep: Sweep, piece: object) -> None:
    shown = piece(sweep)  # type: ignore[operator]
    assert len(shown._repr_html_()) + len(repr(shown)) < MAX_BYTES
    assert "59 500 more names" in shown._repr_html_() or piece is report.sweep.how_measured


def test_the_files_have_them_all(sweep: Sweep) -> None:
    assert sweep.latency["name"].nunique() == NAMES
    assert (Path(sweep.dir.runs()[0].failures)).read_text().count("\n") == NAMES + 1
