from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

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


def test_web_ui_starts_a_test_and_stops_on_sigterm(
    platform_api: str, clean_environment: Environment, tmp_path: Path
) -> None:
    page = f"http://127.0.0.1:{(port := free_port())}"
    options = ("--web-host", "127.0.0.1", "--web-port", str(port))
    output = tmp_path / "output.txt"
    with (
        output.open("wb") as console,
        subprocess.Popen(
            [*LOCUST, "-f", "load_tests/locustfile.py", "-H", platform_api, *options],
            cwd=ROOT,
            env=clean_environment,
            stdout=console,
            stderr=subprocess.STDOUT,
        ) as locust,
    ):
        try:
            wait_until(lambda: "GenerationUser" in fetch(page))
            started = json.loads(fetch(f"{page}/swarm", user_count="4", spawn_rate="4", host=platform_api))
            assert started["success"], started
            wait_until(lambda: json.loads(fetch(f"{page}/stats/requests"))["stats"][-1]["num_requests"] > 20)
            stats = json.loads(fetch(f"{page}/stats/requests"))
        finally:
            locust.terminate()
            locust.wait(30)
    assert stats["fail_ratio"] == 0
    assert stats["user_count"] == 4
    assert locust.returncode == 0, output.read_text()
    assert "Traceback" not in output.read_text()
