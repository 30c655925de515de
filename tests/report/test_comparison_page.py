"""The page of a comparison in a real browser, and its notebook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

import perflab
from perflab import report
from perflab.analyse.comparison.sweeps import SweepComparison, compare_sweeps
from perflab.errors import UsageError
from perflab.store.layout import ComparisonDir
from perflab.vocabulary.verdict import Change
from tests.browser import needs_browser, open_browser
from tests.compared import HOSTILE_GROUPS, SHAPES, compared

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "compare.ipynb"


@dataclass(frozen=True)
class Rendered:
    """A comparison with its page, rendered while the working directory was a foreign one."""

    comparison: SweepComparison
    place: ComparisonDir


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    recorded = compared(tmp_path_factory.mktemp("page") / "runs", "hostile")
    comparison = compare_sweeps(recorded.baseline, recorded.candidate, margin=0.1, allow_different=["machine"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        page = report.render(comparison)
    assert page == comparison.dir.report_html
    return Rendered(comparison, comparison.dir)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture(scope="module")
def requests(browser: webdriver.Chrome, rendered: Rendered) -> list[str]:
    """Open the page from disk and return every URL that was asked for."""
    browser.get("about:blank")
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    browser.get(rendered.place.report_html.as_uri())
    log: Any = browser.get_log("performance")  # type: ignore[no-untyped-call]
    messages = [json.loads(entry["message"])["message"] for entry in log]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


@needs_browser
def test_the_page_loads_nothing_and_runs_nothing(browser: webdriver.Chrome, requests: list[str]) -> None:
    assert [url for url in requests[1:] if not url.startswith("data:")] == []
    complaints: Any = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert complaints == []
    assert browser.execute_script("return document.scripts.length") == 0


@needs_browser
def test_the_verdict_is_seen_first_with_what_is_slower(
    browser: webdriver.Chrome, requests: list[str], rendered: Rendered
) -> None:
    assert requests
    banner = browser.find_element(By.CSS_SELECTOR, ".perflab .banner")
    assert banner.is_displayed()
    assert banner.rect["y"] < browser.execute_script("return innerHeight") - 100
    said = banner.text
    assert "REGRESSION" in said
    assert "$x^{: slower" in said
    for sweep in (rendered.comparison.baseline, rendered.comparison.candidate):
        assert sweep.id in said
    assert "5 runs of the baseline and 5 of the candidate" in said
    assert "in at most 1 % of comparisons" in said


@needs_browser
def test_hostile_names_stand_there_as_text(browser: webdriver.Chrome, requests: list[str]) -> None:
    assert requests
    heads = {cell.text for cell in browser.find_elements(By.CSS_SELECTOR, ".perflab .changes th[scope=row]")}
    assert set(HOSTILE_GROUPS) <= heads
    assert "the margin of 10 %" in browser.find_element(By.CSS_SELECTOR, ".perflab .changes").text


@needs_browser
def test_every_chart_is_drawn_and_described(browser: webdriver.Chrome, requests: list[str]) -> None:
    assert requests
    images = browser.find_elements(By.TAG_NAME, "img")
    assert len(images) == 6
    for image in images:
        assert len(str(image.get_attribute("alt"))) > 20
        assert browser.execute_script("return arguments[0].naturalWidth", image) > 500
        # No larger than it was drawn: its text is read at the size it was set in.
        assert image.rect["width"] == pytest.approx(912, abs=2)


@needs_browser
@pytest.mark.parametrize("width", [1280, 800])
def test_the_page_does_not_scroll_sideways(browser: webdriver.Chrome, requests: list[str], width: int) -> None:
    assert requests
    browser.set_window_size(width, 800)
    try:
        assert browser.execute_script(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    finally:
        browser.set_window_size(1280, 800)


def test_the_page_tells_no_place_and_shows_no_code(rendered: Rendered) -> None:
    html = rendered.place.report_html.read_text(encoding="utf-8")
    assert str(rendered.comparison.candidate.dir.runs_dir) not in html
    assert "check_parameters" not in html
    assert "<title>20261122T103000Z-after against 20261122T103000Z-before</title>" in html


def test_what_the_report_sets_itself_can_not_be_set(rendered: Rendered) -> None:
    with pytest.raises(UsageError, match="'baseline' is set by the report itself"):
        report.render(rendered.comparison, {"baseline": "c"})


def test_the_notebook_has_the_parameters_of_a_comparison() -> None:
    found = papermill.inspect_notebook(NOTEBOOK)
    assert list(found) == ["baseline", "candidate", "runs_dir", "margin", "alpha", "allow_different"]
    assert all(parameter["help"] for parameter in found.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_its_tables(tmp_path: Path, shape: str) -> None:
    comparison = compared(tmp_path, shape)
    verdict = report.comparison.verdict(comparison)
    words = {change.verdict: change.words for change in Change}
    assert f"</span> {words[comparison.verdict]}" in verdict.body or f" {words[comparison.verdict]}</p>" in verdict.body
    changes = report.comparison.changes(comparison)
    rows = changes.body.count('<td class="result')
    frames = (comparison.latency, comparison.throughput, comparison.failures, comparison.throughput_by_level)
    wholes = (comparison.latency_by_group, comparison.throughput_by_group, comparison.failures_by_group)
    assert rows == sum(len(frame) for frame in (*frames, *wholes))
    assert ("must not be used" in changes.body) == (comparison.verdict == "INVALID" and rows > 0)
    comparability = report.comparison.comparability(comparison)
    assert ("matters" in comparability.body) == ("matters" in set(comparison.comparability["kind"]))
    assert f"{100 * comparison.margin:g} %" in report.comparison.how_to_read(comparison).text


def test_a_single_run_is_shown_among_earlier_ones(tmp_path: Path) -> None:
    from benchmarks.recorded_sweep import Load, write_recorded_sweep
    from tests.compared import LOAD

    single = {**LOAD, "repeats": 1}
    for number in range(11):
        write_recorded_sweep(tmp_path, Load(**single, system=number), label=f"run-{number}")
    write_recorded_sweep(tmp_path, Load(**single, system=20, slowdown={"auth": 3.0}), label="slow")
    comparison = perflab.compare("20261122T103000Z-run-0", "20261122T103000Z-slow", runs_dir=tmp_path)
    shown = report.comparison.spread(comparison)
    assert shown is not None
    by_group = {row["group"]: row["inside"] for row in comparison.spread.to_dict("records")}
    assert by_group["auth"] is False
    assert shown.body.count("outside") == 1
    assert shown.body.count("among them") == len(comparison.spread) - 1
