"""A ramp of a run that was lost tells of no limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from perflab.calibration import ramp
from perflab.drive.target import Target, free_port
from perflab.errors import PerflabError
from perflab.store.layout import RunDir


def test_a_lost_server_is_an_error(tmp_path: Path) -> None:
    plan = ramp._plan(tmp_path / "truth.csv", 1, users=2, spawn_rate=10, duration_s=1)
    nobody = Target(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(PerflabError, match="could not load its own server"):
        ramp._run(plan, nobody, RunDir(tmp_path / "ramp"), ramp._environment("FastHttpUser"), lambda *_: None)
