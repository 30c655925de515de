"""The preflight of a locustfile: it runs the locustfile's code, whatever that does."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import psutil
import pytest

from perflab.drive.locust import check_locustfile
from perflab.errors import LocustfileError, UsageError
from perflab.vocabulary.level import Level

USER = "from locust import FastHttpUser\nclass U(FastHttpUser): pass\n"


def test_what_a_locustfile_starts_while_it_is_imported_does_not_survive(tmp_path: Path) -> None:
    # It keeps the output open, too: nobody may wait for that.
    (tmp_path / "locustfile.py").write_text(
        f"{USER}import subprocess\nopen('pid', 'w').write(str(subprocess.Popen(['sleep', '200']).pid))\n"
    )
    with check_locustfile(tmp_path / "locustfile.py", os.environ, tmp_path) as finish:
        finish()
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_locustfile_may_print_any_amount(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(f"{USER}for _ in range(100): print('x' * 500_000)\n")
    tracemalloc.start()
    try:
        with check_locustfile(tmp_path / "locustfile.py", os.environ, tmp_path) as finish:
            finish()
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


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


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        ("x = 1\ndef broken(:\n", r"SyntaxError: invalid syntax \(suite/beside\.py, line 2\)"),
        ("\nimport no_such_module\n", r"No module named 'no_such_module' \(suite/beside\.py, line 2\)"),
        ("from locust import NoSuchUser\n", r"ImportError: .*NoSuchUser.* \(suite/beside\.py, line 1\)"),
        # Where the project's own code is, not where the standard library raises.
        ("import json\n\njson.loads('{')\n", r"JSONDecodeError: .* \(suite/beside\.py, line 3\)"),
        ("x = 1\0\n", r"SyntaxError: .*null bytes"),
        (
            "import sys\nsys.stdout.close()\nraise RuntimeError('told')\n",
            r"RuntimeError: told \(suite/beside\.py, line 3\)",
        ),
    ],
)
def test_what_is_wrong_in_the_project_is_told_with_its_file_and_line(tmp_path: Path, beside: str, words: str) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "beside.py").write_text(beside)
    locustfile = tmp_path / "suite" / "locustfile.py"
    locustfile.write_text(f"import beside\n{USER}")
    with pytest.raises(LocustfileError, match=words), check_locustfile(locustfile, os.environ, tmp_path) as finish:
        finish()


TAGGED = """
from locust import FastHttpUser, events, tag, task
@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--needed", required=True)
    parser.add_argument("--mode", choices=["a", "b"])
class Both(FastHttpUser):
    @tag("fast")
    @task
    def fast(self): pass
    @tag("slow")
    @task
    def slow(self): pass
class Slow(FastHttpUser):
    fixed_count = 2
    @tag("slow")
    @task
    def slow(self): pass
"""


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ("--needed 1", ""),
        ("Both --needed 1 --mode a --tags fast", ""),
        ("-T slow -E fast --needed 1", ""),
        ("", "--needed"),
        ("--needed 1 --mode c", "--mode"),
        ("--needed 1 --nonsense", "--nonsense"),
        ("--needed 1 Nobody", "no user class 'Nobody': there are Both, Slow"),
        ("--needed 1 --tags fast", "the tags leave Slow no task"),
        ("--needed 1 --tags nonsense Both", "the tags leave Both no task"),
        # All that would change the plan, or who measures it, however it is spelt.
        ("--needed 1 -u 3", "--users"),
        ("--needed 1 -t3s", "--run-time"),
        ("--needed 1 --reset", "--reset-stats"),
        ("--needed 1 --master", "--master"),
        ("--needed 1 --process=2", "--processes"),
        ("--needed 1 -f other.py", "--locustfile"),
        ("--needed 1 --config locust.conf", "--config"),
        ("--needed 1 --stop-timeout 1", "--stop-timeout"),
        ("--needed 1 --headful", "--headful"),
        ("--needed 1 -l", "--list"),
        ("--help", "start no load"),
        ("-V", "start no load"),
    ],
)
def test_options_for_locust_are_checked_before_the_run(tmp_path: Path, options: str, refused: str) -> None:
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text(TAGGED)
    (tmp_path / "locust.conf").write_text("needed = from-a-file\n")
    with check_locustfile(locustfile, os.environ, tmp_path, [Level.of_users(3)], options) as finish:
        if not refused:
            finish()
            return
        with pytest.raises(UsageError, match=r"^-- ") as caught:
            finish()
    assert refused in str(caught.value)
    assert "\n" not in str(caught.value)


def test_users_must_be_reached_by_the_classes_that_are_chosen(tmp_path: Path) -> None:
    (tmp_path / "locustfile.py").write_text(TAGGED)
    with (
        pytest.raises(LocustfileError, match="at most 2"),
        check_locustfile(
            tmp_path / "locustfile.py", os.environ, tmp_path, [Level.of_users(3)], "Slow --needed 1"
        ) as finish,
    ):
        finish()
