from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser import needs_browser, open_browser

from .conftest import LOCUST, ROOT, Environment, free_port, wait_until


def fetch(url: str, **form: str) -> str:
    """A page's text, empty while nobody answers."""
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(url, data, timeout=5) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text
    except urllib.error.URLError:
        return ""


@contextmanager
def web_ui(host: str, environment: Environment, output: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Locust's web UI, started as in the specification but for the ports; ended by SIGTERM."""
    page = f"http://127.0.0.1:{(port := free_port())}"
    options = ("--web-host", "127.0.0.1", "--web-port", str(port))
    with (
        output.open("wb") as console,
        subprocess.Popen(
            [*LOCUST, "-f", "load_tests/locustfile.py", "-H", host, *options],
            cwd=ROOT,
            env=environment,
            stdout=console,
            stderr=subprocess.STDOUT,
        ) as locust,
    ):
        try:
            wait_until(lambda: "GenerationUser" in fetch(page))
            yield page, locust
        finally:
            locust.terminate()
            locust.wait(30)


def test_web_ui_starts_a_test_and_stops_on_sigterm(
    platform_api: str, clean_environment: Environment, tmp_path: Path
) -> None:
    output = tmp_path / "output.txt"
    with web_ui(platform_api, clean_environment, output) as (page, locust):
        started = json.loads(fetch(f"{page}/swarm", user_count="4", spawn_rate="4", host=platform_api))
        assert started["success"], started
        wait_until(lambda: json.loads(fetch(f"{page}/stats/requests"))["stats"][-1]["num_requests"] > 20)
        stats = json.loads(fetch(f"{page}/stats/requests"))
    assert stats["fail_ratio"] == 0
    assert stats["user_count"] == 4
    assert locust.returncode == 0, output.read_text()
    assert "Traceback" not in output.read_text()


@needs_browser
def test_a_person_runs_a_test_in_the_browser(platform_api: str, clean_environment: Environment, tmp_path: Path) -> None:
    with (
        web_ui(platform_api, clean_environment, tmp_path / "output.txt") as (page, _),
        open_browser(tmp_path) as browser,
    ):
        # In one go: the page is drawn anew every second, and an element found before is then none any more.
        def text() -> str:
            return str(browser.execute_script("return document.body.innerText"))

        def press(selector: str, label: str) -> None:
            found = browser.execute_script(
                "const named = [...document.querySelectorAll(arguments[0])]"
                ".filter(element => element.innerText.trim().toUpperCase() === arguments[1]);"
                "named.forEach(element => element.click()); return named.length",
                selector,
                label,
            )
            assert found == 1, f"{found} times {label} on the page"

        def total() -> int:
            found = re.search(r"Aggregated\s+(\d+)\s", text())
            return int(found[1]) if found else 0

        browser.implicitly_wait(10)
        browser.get(page)
        for name, value in (("userCount", "50"), ("spawnRate", "25")):
            field = browser.find_element(By.NAME, name)
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(value)
        assert browser.find_element(By.NAME, "host").get_attribute("value") == platform_api
        press("button", "START")
        wait_until(lambda: "RUNNING" in text().upper() and total() > 100)
        seen = total()
        wait_until(lambda: total() > seen + 100)
        # Users, requests/s and failures in the head of the page.
        assert re.search(r"users\s+50\s", text(), re.IGNORECASE)
        press("button", "STOP")
        wait_until(lambda: "STOPPED" in text().upper())
        press("[role=tab]", "DOWNLOAD DATA")
        link = browser.find_element(By.PARTIAL_LINK_TEXT, "Report").get_attribute("href")
        assert link is not None
        report = fetch(link)
        assert "/api/v1/payments/create" in report
        browser.get(link)
        wait_until(lambda: "/api/v1/generation/create" in browser.page_source)
        complaints = browser.get_log("browser")  # type: ignore[no-untyped-call]
        assert complaints == []
