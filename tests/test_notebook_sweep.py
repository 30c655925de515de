"""`notebooks/sweep.ipynb` runs a sweep by itself: under papermill, and by hand in a kernel with a person at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

import perflab

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "sweep.ipynb"


@pytest.mark.parametrize("folder", [".", "notebooks"])
def test_papermill_runs_a_sweep_from(folder: str, tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", os.path.relpath(NOTEBOOK, ROOT / folder), str(out)]
    parameters = {"users": "[3,5]", "duration": "2s", "runs_dir": str(tmp_path / "runs"), "spawn_rate": "5"}
    done = subprocess.run(
        [*command, *(word for name, value in parameters.items() for word in ("-p", name, value))],
        cwd=ROOT / folder,
        env={**os.environ, "LOAD_TEST_SETTLE_SECONDS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    sweep = perflab.open_sweep("latest", tmp_path / "runs")
    assert list(sweep.runs["level"]) == ["3 users", "5 users"]
    assert set(sweep.runs["status"]) == {"complete"}
    outputs = [output for cell in nbformat.read(out, as_version=4).cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    said = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "[2/2] 5 users: complete" in said
    assert "update_display_data" not in out.read_text()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[BlockingKernelClient]:
    """A real kernel as a Jupyter front end drives it: with somebody who could answer a prompt."""
    manager, client = start_new_kernel(
        kernel_name="python3", cwd=str(NOTEBOOK.parent), env={**os.environ, "LOAD_TEST_SETTLE_SECONDS": "1"}
    )
    client.allow_stdin = True
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_by_hand_a_running_sweep_shows_a_line_and_a_chart_in_place(
    kernel: BlockingKernelClient, small_target: str, small_locustfile: Path, tmp_path: Path
) -> None:
    messages: list[dict[str, Any]] = []
    code = (
        "import perflab\n"
        f"sweep = perflab.sweep({small_target!r}, locustfile={str(small_locustfile)!r}, users=5, spawn_rate=5,\n"
        f"                      duration=4, runs_dir={str(tmp_path / 'runs')!r}, report=False)\n"
        "print(sweep.runs.status.tolist())"
    )
    reply = kernel.execute_interactive(code, allow_stdin=True, output_hook=messages.append, timeout=90)
    assert reply["content"]["status"] == "ok", reply["content"]
    updates = [message["content"] for message in messages if message["msg_type"] == "update_display_data"]
    handles = {update["transient"]["display_id"] for update in updates}
    assert len(handles) == 2
    lines = [update["data"]["text/html"] for update in updates if "requests/s" in update["data"].get("text/html", "")]
    assert len(lines) >= 3
    charts = [update["data"]["image/svg+xml"] for update in updates if "image/svg+xml" in update["data"]]
    assert len(charts) >= 2
    assert "[1/1] 5 users" in charts[-1] or "5 users" in lines[-1]
    # In the end the finished run's line stays and the live chart goes.
    last = {update["transient"]["display_id"]: update["data"] for update in updates}
    assert any("complete" in data.get("text/html", "") for data in last.values())
    assert not any("image/svg+xml" in data for data in last.values())
    streams = "".join(message["content"]["text"] for message in messages if message["msg_type"] == "stream")
    assert json.loads(streams.replace("'", '"')) == ["complete"]
    assert "widget" not in json.dumps(messages, default=str)
