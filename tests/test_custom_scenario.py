"""A locustfile of one's own, as in the specification: without objectives, and with some."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Word for word the specification's.
CUSTOM = """\
from locust import HttpUser, task, between

class CustomUser(HttpUser):
    wait_time = between(1, 3)

    @task(10)
    def my_custom_test(self):
        self.client.get("/api/endpoint")
"""

# A median: how many seconds a p95 takes where a busy machine makes requests come in clumps is not the question here.
OBJECTIVES = """\
[custom]
endpoints = ["/api/endpoint"]
success_rate = { at_least = 0.9 }
p50_ms = { at_most = LIMIT }
"""


def sweep(folder: Path, target: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run `perflab sweep` on the custom locustfile; return its exit code and its JSON."""
    command = [sys.executable, "-m", "perflab", "sweep", "--locustfile", "custom.py", "--launch", target, "--json"]
    done = subprocess.run(
        [*command, "--users", "20,40", "--spawn-rate", "40", "--duration", "5s", "--no-report", *options],
        cwd=folder,
        env={**os.environ, "LOAD_TEST_SETTLE_SECONDS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def folder(in_empty_folder: Path) -> Path:
    (in_empty_folder / "custom.py").write_text(CUSTOM)
    return in_empty_folder


def test_without_objectives_the_verdict_is_on_validity_alone(folder: Path, small_target: str) -> None:
    # Without a file the default one would be judged.
    (folder / "objectives.toml").touch()
    code, result = sweep(folder, small_target)
    assert (code, result["verdict"], result["reasons"]) == (0, "PASS", [])
    assert list(result["levels"]) == ["users-0020", "users-0040"]
    for level in result["levels"].values():
        users = level["level"]["value"]
        assert level["objectives"] == {}
        [endpoint] = level["endpoints"].values()
        assert endpoint["name"] == "/api/endpoint"
        # A request every two seconds of each user.
        assert users * 5 / 2 * 0.6 < endpoint["requests"] < users * 5 / 2 * 1.4


@pytest.mark.parametrize(("limit", "code", "verdict"), [("30000", 0, "PASS"), ("0.001", 1, "FAIL")])
def test_objectives_come_from_a_file(folder: Path, small_target: str, limit: str, code: int, verdict: str) -> None:
    (folder / "limits.toml").write_text(OBJECTIVES.replace("LIMIT", limit))
    found = sweep(folder, small_target, "--objectives", "limits.toml", "--users", "150")
    assert (found[0], found[1]["verdict"]) == (code, verdict), found[1]["reasons"]
