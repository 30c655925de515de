"""The rooms stay apart: each is imported in a fresh process, and what came with it is looked at."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"pandas", "numpy", "scipy", "matplotlib", "locust", "gevent", "papermill", "nbconvert", "typer", "rich"}


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("perflab", set()),
        ("perflab.plan.plan", set()),
        ("perflab.plan.objectives", set()),
        ("perflab.store.manifest", set()),
        ("perflab.store.recorder_protocol", set()),
        ("perflab.store.tables", set()),
        ("perflab.store.calibration", set()),
        ("perflab.drive.sweep", set()),
        ("perflab.record.recorder", {"locust", "gevent"}),
        ("perflab.analyse.sweep", {"pandas", "numpy", "scipy"}),
        ("perflab.chart", {"pandas", "numpy", "matplotlib", "scipy"}),
        ("perflab.calibration.server", set()),
        ("perflab.calibration.calibration", {"pandas", "numpy"}),
        ("perflab.workbench.sweeps", {"pandas", "numpy", "scipy"}),
        ("perflab.progress.terminal", {"rich"}),
        ("perflab.cli", {"typer"}),
    ],
)
def test_a_room_brings_only_what_it_needs(room: str, allowed: set[str]) -> None:
    code = f"import sys, json, {room}; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert HEAVY & set(loaded) <= allowed


def test_the_public_names_are_there() -> None:
    import perflab

    for name in perflab.__all__:
        assert getattr(perflab, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = perflab.nope
