"""The report in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from perflab.store.layout import SweepDir
from perflab.vocabulary.verdict import Verdict
from tests.browser import needs_browser, open_browser
from tests.report.conftest import HOSTILE

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as driver:
        yield driver


@pytest.fixture(scope="module")
def requests(browser: webdriver.Chrome, rendered: SweepDir) -> list[str]:
    """Open the report from disk and return every URL that was asked for."""
    browser.get("about:blank")
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    browser.get(rendered.report_html.as_uri())
    log: Any = browser.get_log("performance")  # type: ignore[no-untyped-call]
    messages = [json.loads(entry["message"])["message"] for entry in log]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="module")
def page(browser: webdriver.Chrome, requests: list[str]) -> webdriver.Chrome:
    assert requests
    return browser


def test_the_report_loads_nothing(requests: list[str], rendered: SweepDir) -> None:
    assert requests[0] == rendered.report_html.as_uri()
    assert [url for url in requests[1:] if not url.startswith("data:")] == []


def test_nothing_complains_and_no_name_runs(page: webdriver.Chrome) -> None:
    complaints: Any = page.get_log("browser")  # type: ignore[no-untyped-call]
    assert complaints == []
    assert page.title.startswith("Load sweep 2026")
    assert page.execute_script("return document.scripts.length") == 0


def test_hostile_names_stand_there_as_text(page: webdriver.Chrome) -> None:
    names = {" ".join(cell.text.split()) for cell in page.find_elements(By.CSS_SELECTOR, ".perflab .name")}
    assert set(HOSTILE.values()) <= names


def test_the_verdict_is_seen_first(page: webdriver.Chrome) -> None:
    banner = page.find_element(By.CSS_SELECTOR, ".perflab .banner")
    assert banner.is_displayed()
    assert Verdict.INCONCLUSIVE in banner.text
    box = banner.rect
    assert 0 <= box["y"] < page.execute_script("return innerHeight") - 100


@pytest.mark.parametrize("width", [1280, 800, 600])
def test_the_page_does_not_scroll_sideways_and_cuts_nothing_off(page: webdriver.Chrome, width: int) -> None:
    page.set_window_size(width, 800)
    try:
        assert page.execute_script(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        # A table that is wider scrolls by itself.
        ends = page.execute_script(
            "return [...document.querySelectorAll('.perflab .banner, .perflab .scroll, .perflab .note, img')]"
            ".map(one => one.getBoundingClientRect().right)"
        )
        assert max(ends) <= page.execute_script("return document.documentElement.clientWidth")
    finally:
        page.set_window_size(1280, 800)


def test_every_chart_is_drawn_and_described(page: webdriver.Chrome) -> None:
    images = page.find_elements(By.TAG_NAME, "img")
    assert len(images) == 6
    for image in images:
        assert len(str(image.get_attribute("alt"))) > 20
        assert page.execute_script("return arguments[0].naturalWidth", image) > 500
        # No larger than it was drawn: its text is read at the size it was set in.
        assert image.rect["width"] == pytest.approx(912, abs=2)


def test_text_is_readable_where_the_reader_prefers_dark(page: webdriver.Chrome) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    try:
        for selector in ("body", ".perflab td", ".perflab .sentence", "h2"):
            element = page.find_element(By.CSS_SELECTOR, selector)
            assert brightness(element.value_of_css_property("color")) < 100, selector
        background = page.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        assert brightness(background) > 240
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_prints_on_a_few_pages(page: webdriver.Chrome) -> None:
    import base64

    printed = page.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    # One that is not passed lists its reasons, too.
    assert 2 <= pdf.count(b"/Type /Page\n") <= 10


def brightness(colour: str) -> float:
    """Return the mean of red, green and blue of a CSS colour, 0 to 255."""
    parts = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(parts) / 3
