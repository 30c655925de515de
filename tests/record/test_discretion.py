"""In a process of its own, because to import Locust patches the standard library."""

from __future__ import annotations

import json
import subprocess
import sys

PRINTS = """
import sys
import locust
from perflab.record import discretion
discretion.install()
for piece in ("a", "b pass", "word: ", "hun", "ter2\\nc", "\\n"):
    sys.stdout.write(piece)
sys.stdout.writelines(["d token=", "hunter2\\n"])
print("e password=hunter2", end="")
"""
FAILS = """
import json
from locust.stats import RequestStats
from perflab.record import discretion
discretion.install()
stats = RequestStats()
stats.log_error("GET", "/", "-" * 1_000_000)
stats.log_error("GET", "/", Exception("token=hunter2 " + "x" * 1_000_000))
print(json.dumps([error.error for error in stats.errors.values()]))
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_what_is_printed_comes_line_by_line_and_a_last_line_without_an_end_too() -> None:
    assert run(PRINTS) == "ab password: …\nc\nd token=…\ne password=…"


def test_locusts_own_statistics_keep_the_beginning_of_a_failure() -> None:
    errors = json.loads(run(FAILS))
    assert [len(error) < 3_000 and "hunter2" not in error for error in errors] == [True, True]
