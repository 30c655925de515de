"""Nothing of a guarded command outlives perflab, however perflab ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from perflab.drive.child import Child


def start(command: list[str], tmp_path: Path, grace_s: float = 1.0) -> Child:
    with (tmp_path / "out").open("wb") as output:
        return Child(command, environment=os.environ, cwd=tmp_path, output=output.fileno(), grace_s=grace_s)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def wait_for(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


# A parent, a child of it, and a daemon in a session of its own that ignores SIGTERM.
FAMILY = """
import os, signal, sys, time
from pathlib import Path
def note():
    with open("pids", "a") as file: file.write(f"{os.getpid()} ")
note()
if os.fork() == 0:
    note()
    if os.fork() == 0:
        os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); note()
    time.sleep(60)
else:
    if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "brief" in sys.argv:
        while len(Path("pids").read_text().split()) < 3: time.sleep(0.01)
        sys.exit(7)
    time.sleep(60)
"""


@pytest.mark.parametrize("code", [0, 3, 77])
def test_the_exit_code_is_the_commands(tmp_path: Path, code: int) -> None:
    child = start(python(f"raise SystemExit({code})"), tmp_path)
    assert child.wait(20) == code
    assert child.stop() == code


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    child = start(["no-such-command"], tmp_path)
    assert child.wait(20) == 127
    assert "no-such-command" in (tmp_path / "out").read_text()


def test_signals_are_passed_on(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGINT, lambda *_: exit(5)); print(1, flush=True); time.sleep(60)"
    child = start(python(code), tmp_path, grace_s=20)
    wait_for(lambda: (tmp_path / "out").read_text() != "")
    assert child.stop("INT") == 5


def test_a_command_killed_by_a_signal_says_so(tmp_path: Path) -> None:
    child = start(python("import os; os.kill(os.getpid(), 9)"), tmp_path)
    assert child.wait(20) == 128 + 9


@pytest.mark.parametrize("manner", ["obedient", "stubborn"])
def test_stop_ends_the_whole_family(tmp_path: Path, manner: str) -> None:
    child = start([*python(FAMILY), manner], tmp_path)
    wait_for(lambda: len(pids(tmp_path / "pids")) == 3)
    child.stop()
    assert not [pid for pid in pids(tmp_path / "pids") if psutil.pid_exists(pid)]


def test_a_daemon_left_behind_is_ended(tmp_path: Path) -> None:
    child = start([*python(FAMILY), "brief"], tmp_path)
    assert child.wait(20) == 7
    assert len(pids(tmp_path / "pids")) == 3
    assert not [pid for pid in pids(tmp_path / "pids") if psutil.pid_exists(pid)]


@pytest.mark.parametrize(
    ("manner", "stopped"), [("obedient", None), ("stubborn", None), ("obedient", 0), ("obedient", 1)]
)
def test_kill_9_of_the_owner_ends_the_whole_family(tmp_path: Path, manner: str, stopped: int | None) -> None:
    owner_code = (
        "import os, sys, time; from pathlib import Path; from perflab.drive.child import Child\n"
        "Child(sys.argv[1:], environment=os.environ, cwd=Path('.'), output=1, grace_s=1.0); time.sleep(60)"
    )
    owner = subprocess.Popen([*python(owner_code), *python(FAMILY), manner], cwd=tmp_path)
    wait_for(lambda: len(pids(tmp_path / "pids")) == 3)
    if stopped is not None:
        os.kill(guards_of(psutil.Process(owner.pid).children()[0].pid)[stopped], signal.SIGSTOP)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    wait_for(lambda: not [pid for pid in pids(tmp_path / "pids") if psutil.pid_exists(pid)])


class Family(NamedTuple):
    """A family under guard, and the signal that one of its guards gets."""

    child: Child
    pids: Path
    sent: signal.Signals
    at: int


def start_family(folder: Path) -> Child:
    folder.mkdir()
    return start([*python(FAMILY), "obedient"], folder)


def guards_of(pid: int) -> list[int]:
    """The two guards: the parent, and its child that does the work."""
    return [pid, psutil.Process(pid).children()[0].pid]


def gone(processes: Iterable[int]) -> bool:
    return not any(map(is_alive, processes))


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != "zombie"
    except psutil.NoSuchProcess:
        return False


def test_no_signal_to_a_guard_leaves_anything(tmp_path: Path) -> None:
    signals = (signal.SIGKILL, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGTERM, signal.SIGSEGV)
    # All at once: what takes time is the patience with daemons.
    families = [
        Family(start_family(tmp_path / f"{sent.name}-{at}"), tmp_path / f"{sent.name}-{at}" / "pids", sent, at)
        for sent in signals
        for at in (0, 1)
    ]
    wait_for(lambda: all(len(pids(family.pids)) == 3 for family in families))
    for family in families:
        os.kill(guards_of(family.child.pid)[family.at], family.sent)
    for family in families:
        assert family.child.wait(20) is not None, family
        wait_for(lambda family=family: gone(pids(family.pids)))  # type: ignore[misc]


def test_a_command_hears_that_both_guards_were_killed(tmp_path: Path) -> None:
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('end')))\n"
    child = start(python(f"{code}print('begin', flush=True); time.sleep(60)"), tmp_path)
    wait_for(lambda: (tmp_path / "out").read_text() != "")
    os.killpg(child.pid, signal.SIGKILL)
    wait_for(lambda: (tmp_path / "out").read_text() == "begin\nend\n")
    assert child.stop() == 128 + signal.SIGKILL


def test_a_server_ends_with_its_database_whichever_guard_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "load_tests.platform_api", "--port", "0"]
    root = Path(__file__).parents[2]
    kills: list[Callable[[int], None]] = [
        lambda pid: os.kill(guards_of(pid)[0], signal.SIGKILL),
        lambda pid: os.kill(guards_of(pid)[1], signal.SIGKILL),
        lambda pid: os.killpg(pid, signal.SIGKILL),
    ]
    children = []
    for number, _ in enumerate(kills):
        with (tmp_path / str(number)).open("wb") as output:
            children.append(Child(command, environment=os.environ, cwd=root, output=output.fileno(), grace_s=3.0))
    # It says when it is ready.
    wait_for(lambda: all((tmp_path / str(number)).read_text() for number, _ in enumerate(kills)))
    families = [psutil.Process(child.pid).children(recursive=True) for child in children]
    assert all(any("postgres" in one.name() for one in family) for family in families)
    for child, kill in zip(children, kills, strict=True):
        kill(child.pid)
    for child, family in zip(children, families, strict=True):
        assert child.wait(20) is not None
        wait_for(lambda family=family: gone(one.pid for one in family))  # type: ignore[misc]


@pytest.mark.parametrize("stopped", [(0,), (1,), (0, 1)])
def test_stopped_guards_are_woken_up_to_stop_the_command(tmp_path: Path, stopped: tuple[int, ...]) -> None:
    child = start([*python(FAMILY), "obedient"], tmp_path)
    wait_for(lambda: len(pids(tmp_path / "pids")) == 3)
    for guard in [guards_of(child.pid)[at] for at in stopped]:
        os.kill(guard, signal.SIGSTOP)
    assert child.stop() == 128 + signal.SIGTERM
    assert not [pid for pid in pids(tmp_path / "pids") if psutil.pid_exists(pid)]


def test_a_ctrl_c_in_the_terminal_does_not_reach_the_command(tmp_path: Path) -> None:
    child = start(python("import time; print(1, flush=True); time.sleep(60)"), tmp_path)
    wait_for(lambda: (tmp_path / "out").read_text() != "")
    assert os.getpgid(child.pid) != os.getpgid(0)
    [command] = psutil.Process(guards_of(child.pid)[1]).children()
    assert os.getpgid(command.pid) not in {os.getpgid(0), os.getpgid(child.pid)}
    child.stop("KILL")
