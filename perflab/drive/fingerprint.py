"""What a result depends on besides the plan: machine, versions, variables, state of the code."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from perflab.drive.git import git_commit
from perflab.plan.variables import KNOWN, PREFIX
from perflab.store.manifest import Environment

# Of a suite's own variables, those that only say where something is, or that may be secret.
_NO_LOAD = re.compile(r"HOST|URL|DSN|_DIR$|_ID$|LOG|PASSWORD|SECRET|TOKEN|KEY|COOKIE|CREDENTIAL")
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
        with contextlib.suppress(PackageNotFoundError):
            installed[package] = version(package)
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
    """Return the suite's own variables that shape the load; perflab's own are part of the plan, or shape none.

    Variables whose name suggests a secret are left out; values other than numbers are given as digests.
    """
    return {
        name: value if _NUMBER.fullmatch(value) else f"sha256:{hashlib.sha256(os.fsencode(value)).hexdigest()[:8]}"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) and name not in KNOWN and not _NO_LOAD.search(name)
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
