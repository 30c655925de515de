from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab import report
from perflab.analyse.sweep import Sweep
from perflab.plan.objectives import Objectives
from perflab.report.html import Html
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import PERCENTILES
from tests.report.conftest import HOSTILE, MESSAGE

PIECES: dict[str, Callable[[Sweep], Html]] = {
    "verdicts": report.sweep.verdict,
    "endpoints": report.sweep.endpoints,
    "failures": report.sweep.failures,
    "runs": report.sweep.runs,
    "how_measured": report.sweep.how_measured,
}
VOID = {"br", "img", "meta"}
FIGURES = 6 + len(PERCENTILES)
"""Cells of a row of the endpoints' table, without a clock."""


class Page(HTMLParser):
    """Tags, attributes and text of a piece of HTML; fails on a tag that is closed wrongly or left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)
        if tag == "td":
            self.cells.append("")
        self.text += " "

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if "td" in self._open:
            self.cells[-1] += data


def page(piece: Html) -> Page:
    return Page(piece._repr_html_())


@pytest.mark.parametrize("name", PIECES)
def test_nothing_a_request_is_named_becomes_a_tag(hostile_sweep: Sweep, name: str) -> None:
    shown = page(PIECES[name](hostile_sweep))
    assert not shown.tags & {"script", "img", "b onclick"}
    assert not {attribute for attribute in shown.attributes if attribute.startswith("on") or attribute == "src"}


def test_hostile_names_are_shown_as_text(hostile_sweep: Sweep) -> None:
    shown = page(report.sweep.endpoints(hostile_sweep)).text
    for name in HOSTILE.values():
        assert name in shown
    assert MESSAGE in page(report.sweep.failures(hostile_sweep)).text


def test_a_verdict_shows_measured_interval_limit_samples_and_word_together(hostile_sweep: Sweep) -> None:
    shown = page(report.sweep.verdict(hostile_sweep))
    latencies = hostile_sweep.verdicts.query("objective == 'p95_ms' and samples > 0")
    assert len(latencies) == 4
    for row in latencies.to_dict("records"):
        cell = next(cell for cell in shown.cells if f"{row['measured']:.4g} ms" in cell)
        assert row["verdict"] in cell
        assert f"{row['samples']} requests" in cell
        assert f"{row['low']:.4g}" in cell
        assert f"≤ {row['limit']:g} ms" in shown.text


def test_the_reasons_of_a_missed_objective_stand_in_the_banner(tmp_path: Path) -> None:
    load = Load(users=(100,), seconds=20, spawn_rate=50, failure_rate=0.2)
    sweep = Sweep.open(write_recorded_sweep(tmp_path, load))
    assert sweep.verdict == "FAIL"
    shown = page(report.sweep.verdict(sweep)).text
    assert "✗ FAIL" in shown
    assert sweep.reasons[0] in shown
    assert repr(report.sweep.verdict(sweep)).startswith("FAIL: ")


def test_without_objectives_the_verdict_says_what_was_judged(tmp_path: Path) -> None:
    load = Load(users=(20,), seconds=5, spawn_rate=50, failure_rate=0)
    sweep = Sweep.open(write_recorded_sweep(tmp_path, load, Objectives()))
    assert "No objectives" in page(report.sweep.verdict(sweep)).text
    assert "No request failed" in page(report.sweep.failures(sweep)).text


def test_every_endpoint_and_level_has_its_row_with_its_figures(hostile_sweep: Sweep) -> None:
    cells = page(report.sweep.endpoints(hostile_sweep)).cells
    # This sweep has no wire clock, so each row says whose its latencies are.
    width = FIGURES + 1
    assert len(cells) == width * len(hostile_sweep.endpoints)
    assert set(cells[width - 1 :: width]) == {"client"}
    first = hostile_sweep.endpoints.sort_values(["level", "group", "name", "method"]).iloc[0]
    assert cells[2] == f"{first.requests}"


def test_the_wire_clock_is_the_rule_and_another_one_is_said(tmp_path: Path, hostile_sweep: Sweep) -> None:
    sweep = Sweep.open(write_recorded_sweep(tmp_path, Load(users=(20,), seconds=10, spawn_rate=50, wire=True)))
    assert len(page(report.sweep.endpoints(sweep)).cells) == FIGURES * len(sweep.endpoints)
    assert "by the wire clock" in page(report.sweep.endpoints(sweep)).text
    assert "client clock" not in page(report.sweep.verdict(sweep)).text
    assert "client clock" in page(report.sweep.verdict(hostile_sweep)).text


def test_the_generator_has_a_row_a_source(hostile_sweep: Sweep) -> None:
    cells = page(report.sweep.generator(hostile_sweep)).cells
    assert len(cells) == 9 * len(hostile_sweep.health) > 0
    assert cells[1] == "local"
    assert cells[3].endswith(" %")


def test_how_it_was_measured_tells_the_plan_but_no_place_on_disk(hostile_sweep: Sweep) -> None:
    shown = page(report.sweep.how_measured(hostile_sweep)).text
    assert "python -m load_tests.platform_api --port {port}" in shown
    assert "load_tests/locustfile.py" in shown
    assert "20, 40 users" in shown
    assert str(hostile_sweep.dir.path.parent) not in shown


def test_a_run_that_cannot_be_trusted_says_why(tmp_path: Path) -> None:
    from perflab.store.manifest import RunManifest, read_manifest, write_manifest

    sweep_dir = write_recorded_sweep(tmp_path, Load(users=(20,), seconds=5, spawn_rate=50))
    path = sweep_dir.run(Level.of_users(20), 1).manifest
    run = read_manifest(path, RunManifest)
    write_manifest(path, run.model_copy(update={"evidence": run.evidence.model_copy(update={"users_reached": 11})}))
    sweep = Sweep.open(sweep_dir)
    shown = page(report.sweep.runs(sweep)).text
    assert "INVALID" in shown
    assert sweep.runs.reasons.iloc[0] in shown
    assert "⊘ INVALID" in page(report.sweep.verdict(sweep)).text
