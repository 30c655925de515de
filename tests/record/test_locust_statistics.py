"""Locust's own statistics, in a process of its own, because to import Locust patches the standard library."""

from __future__ import annotations

import json
import subprocess
import sys

FAILS = """
import json
from locust.stats import RequestStats
from perflab.record.locust_statistics import redact_statistics
redact_statistics()
stats = RequestStats()
stats.log_error("GET", "/", "-" * 1_000_000)
stats.log_error("GET", "/", Exception("token=hunter2 " + "x" * 1_000_000))
print(json.dumps([error.error for error in stats.errors.values()]))
"""
RAISES = """
import json
from locust.env import Environment
from perflab.record.locust_statistics import redact_statistics
redact_statistics()
runner = Environment().create_local_runner()
for number in range(3000):
    text = f"{number} -----BEGIN PRIVATE KEY-----\\nhunter2\\nhunter2=\\n-----END PRIVATE KEY-----"
    runner.log_exception("local", text, f"Traceback:\\n  raise\\nValueError: {text}\\n")
print(json.dumps([[one["msg"], one["traceback"], one["count"]] for one in runner.exceptions.values()]))
"""
NAMES = """
import json
from locust.stats import RequestStats
from perflab.record import locust_statistics
locust_statistics.MAX_NAMES = 10
locust_statistics.redact_statistics()
stats = RequestStats()
secret = "http://bob:hunter2@host/a", "/b?token=hunter2", "/b?token=hunter22"
for name in (*secret, "two\\nlines", None, b"/bytes", "/x", "/x"):
    stats.log_request("GET", name, 1, 1)
    stats.log_error("GET", name, "refused")
for number in range(2000):
    stats.log_request("GET", f"/c/{number}", 1, 1)
    stats.log_error("GET", f"/c/{number}", f"refused {number}")
print(json.dumps([
    [[entry.name, entry.num_requests, entry.num_failures] for entry in stats.entries.values()],
    [[error.name, error.error, error.occurrences] for error in stats.errors.values()],
    stats.total.num_requests,
]))
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_locusts_own_statistics_keep_the_beginning_of_a_failure() -> None:
    errors = json.loads(run(FAILS))
    assert [len(error) < 3_000 and "hunter2" not in error for error in errors] == [True, True]


def test_locusts_own_statistics_keep_no_secret_of_a_name_and_so_many_of_them() -> None:
    entries, errors, total = json.loads(run(NAMES))
    counted = {name: (requests, failures) for name, requests, failures in entries}
    assert len(counted) == len(entries) == 11
    assert "hunter2" not in str([entries, errors])
    assert counted["/b?token=…"] == counted["/x"] == (2, 2)
    assert counted["(other names)"] == (1996, 1996)
    assert sum(requests for requests, _ in counted.values()) == total == 2008
    assert sum(count for _, _, count in errors) == 2008
    assert len(errors) == 1000 + 1


def test_locusts_own_exceptions_keep_no_secret_of_many_lines_and_so_many_of_them() -> None:
    exceptions = json.loads(run(RAISES))
    assert "hunter2" not in str(exceptions)
    assert len(exceptions) == 1000 + 1
    assert sum(count for _, _, count in exceptions) == 3000
