"""Locust as a child process: is the locustfile usable, and the command of one run."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from perflab.drive.target import with_own_python
from perflab.errors import LocustfileError
from perflab.plan import Plan
from perflab.store.layout import RunDir

# By path: only Locust itself may import what lives inside Locust.
RECORDER = Path(__file__).parents[1] / "record" / "perflab_recorder.py"
# Spawning slows down when the generator is busy; --run-time is only the net under the recorder, which ends a run.
RAMP_SLACK = 2.0
RUN_TIME_SLACK_S = 30
CHECK_TIMEOUT_S = 60
_LISTED = "Available Users:"

# Locust reads an option from the environment when the command line is silent about it. These would change what is
# measured, or who measures it, behind the plan's back.
_REFUSED_VARIABLES = frozenset(
    "LOCUST_" + name
    for name in ("RESET_STATS", "MASTER", "MODE_MASTER", "WORKER", "MODE_WORKER", "AUTOSTART", "EXPECT_WORKERS", "TAGS")
)


def locust_environment(environment: Mapping[str, str], **further: str) -> dict[str, str]:
    """Return the environment that Locust gets: `environment` without what would change the measurement."""
    kept = {name: value for name, value in environment.items() if name not in _REFUSED_VARIABLES}
    return with_own_python({**kept, "PYTHONUNBUFFERED": "1", **further})


def start_check(locustfile: Path, environment: Mapping[str, str], cwd: Path) -> subprocess.Popen[str]:
    """Start Locust's own listing of the users in `locustfile`; `finish_check` waits for it and judges."""
    return subprocess.Popen(
        [sys.executable, "-m", "locust", "-f", str(locustfile), "--list"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=locust_environment(environment),
        cwd=cwd,
    )


def finish_check(check: subprocess.Popen[str], locustfile: Path) -> None:
    """Raise LocustfileError if the locustfile does not import or defines no user."""
    try:
        output, _ = check.communicate(timeout=CHECK_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise LocustfileError(f"locustfile {str(locustfile)!r} took more than {CHECK_TIMEOUT_S} s to import") from None
    if check.returncode != 0:
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        raise LocustfileError(f"locustfile {str(locustfile)!r} can't be used: {lines[-1] if lines else 'no output'}")
    # Locust lists nobody without complaint; what the locustfile itself prints comes before the list.
    if not output.rpartition(_LISTED)[2].strip():
        raise LocustfileError(f"locustfile {str(locustfile)!r} defines no user class that makes requests")


def run_command(plan: Plan, users: int, host: str, run: RunDir) -> list[str]:
    """Return the command of one run at `users`; paths in it are absolute."""
    run_time = math.ceil(RAMP_SLACK * users / plan.spawn_rate + plan.settle_s + plan.duration_s) + RUN_TIME_SLACK_S
    command = [
        *(sys.executable, "-m", "locust"),
        *("-f", f"{plan.locustfile},{RECORDER}"),
        *("-H", host),
        "--headless",
        "--only-summary",
        *("-u", str(users)),
        *("-r", f"{plan.spawn_rate:g}"),
        *("-t", f"{run_time}s"),
        *("--stop-timeout", f"{plan.timeout_s:g}"),
        *("--exit-code-on-error", "0"),
        *("--csv", str(run.locust_prefix)),
        *("--html", str(run.locust_html)),
    ]
    if plan.processes > 1:
        command += ["--processes", str(plan.processes)]
    return command
