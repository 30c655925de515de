"""The preflight of a locustfile: it runs the locustfile's code, whatever that does."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from perflab.drive.locust import check_locustfile
from perflab.errors import LocustfileError

USER = "from locust import FastHttpUser\nclass U(FastHttpUser): pass\n"


def test_what_a_locustfile_starts_while_it_is_imported_does_not_survive(tmp_path: Path) -> None:
    # It keeps the output open, too: nobody may wait for that.
    (tmp_path / "locustfile.py").write_text(
        f"{USER}import subprocess\nopen('pid', 'w').write(str(subprocess.Popen(['sleep', '200']).pid))\n"
    )
    with check_locustfile(tmp_path / "locustfile.py", os.environ, tmp_path) as finish:
        finish()
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_locustfile_that_hangs_is_ended_with_the_preflight(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text("import time\ntime.sleep(200)")
    before = set(psutil.Process().children())
    with check_locustfile(tmp_path / "locustfile.py", os.environ, tmp_path):
        [guard] = set(psutil.Process().children()) - before
    assert not guard.is_running()


def test_its_last_words_carry_no_secret(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text("raise RuntimeError('no db at postgres://u:hunter2@h/x')")
    with (
        pytest.raises(LocustfileError, match="no db at") as caught,
        check_locustfile(tmp_path / "locustfile.py", os.environ, tmp_path) as finish,
    ):
        finish()
    assert "hunter2" not in str(caught.value)
