"""Fixtures for every room: a clean environment, and small real parts to drive."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

STEERING = ("LOAD_TEST_", "LOCUST_", "PERFLAB_", "PLATFORM_API_", "DATABASE_URL", "REDIS_URL")
PARTS = Path(__file__).parent / "parts"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person or the machine that runs the tests may change what they see."""
    for name in list(os.environ):
        if name.startswith(STEERING) or name.endswith(("_RATE_THRESHOLD", "_P95_LATENCY_MS", "_TARGET_RPS")):
            monkeypatch.delenv(name)


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, which is its own project root."""
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def small_target() -> str:
    """The command of a small real HTTP server, for `--launch`."""
    return shlex.join([sys.executable, str(PARTS / "target.py")]) + " {port}"


@pytest.fixture(scope="session")
def small_locustfile() -> Path:
    """A locustfile that fits the small target."""
    return PARTS / "small_locustfile.py"
