"""What a result depends on besides the plan: machine, versions, variables, state of the code."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from perflab.drive.git import git_commit
from perflab.store.manifest import Environment

# Variables that are part of the plan, that only say where results go, or that may be secret.
_ELSEWHERE = re.compile(
    r"HOST|LAUNCH|HEALTH|LOCUSTFILE|LOCUST_OPTIONS|USERS(?:_MIN|_MAX)?$|SPAWN_RATE|DURATION|REPEATS|SEED$|PROCESSES|EXPECT_WORKERS|MASTER_BIND|"
    r"SETTLE|TIMEOUT|_DIR$|_ID$|PROMETHEUS|LABEL|LOG|PASSWORD|SECRET|TOKEN|KEY|URL|DSN|COOKIE|CREDENTIAL"
)
_NUMBER = re.compile(r"[\d.,:+-]{1,40}")

PACKAGES = ("perflab", "locust", "gevent", "geventhttpclient", "requests", "pandas", "scipy")


def fingerprint(environment: Mapping[str, str], root: Path) -> Environment:
    """Return what a result depends on besides its plan; `root` is the folder whose git commit is recorded."""
    return {
        **machine(),
        "versions": versions(),
        "variables": variables(environment),
        "git_commit": git_commit(root),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that produce and judge the figures."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


def machine() -> Environment:
    """Return a description of the machine, without host name or user name."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that shape the load, except those that are options of the plan.

    Variables whose name suggests a secret are left out; values other than numbers are given as digests.
    """
    return {
        name: value if _NUMBER.fullmatch(value) else f"sha256:{hashlib.sha256(os.fsencode(value)).hexdigest()[:8]}"
        for name, value in sorted(environment.items())
        if name.startswith("LOAD_TEST_") and not _ELSEWHERE.search(name)
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
