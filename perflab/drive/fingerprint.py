"""What a result depends on besides the plan: machine, versions, state of the code."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from perflab.plan.variables import KNOWN, PREFIX

# Of a suite's own variables, what only says where something is, and what may be a secret.
_NO_LOAD = re.compile(r"HOST|URL|DSN|_DIR$|_ID$|LOG|PASSWORD|SECRET|TOKEN|KEY|COOKIE|CREDENTIAL")
_NUMBER = re.compile(r"[\d.,:+-]{1,40}")

PACKAGES = ("perflab", "locust", "gevent", "geventhttpclient", "requests", "pandas", "scipy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that make and judge the figures."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def machine() -> dict[str, Any]:
    """Return the machine's description; no host name, no user name."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the suite's own that shape the load; perflab's are in the plan, or shape none.

    What may be a secret is left out by its name; of other texts than numbers only a digest is recorded.
    """
    return {
        name: value if _NUMBER.fullmatch(value) else f"sha256:{hashlib.sha256(os.fsencode(value)).hexdigest()[:8]}"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) and name not in KNOWN and not _NO_LOAD.search(name)
    }


def git_commit(folder: Path) -> str | None:
    """Return the commit of the checkout at `folder`, with ``+changes`` where files differ; None outside of one."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
