from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import psutil
import pytest

from perflab.drive.child import ProcessTree
from perflab.drive.http import ask
from perflab.drive.target import open_target
from perflab.errors import TargetError
from perflab.plan.plan import Plan


def plan(**fields: object) -> Plan:
    return Plan(**{"host": None, "locustfile": Path("/x"), **fields})


def test_a_launched_target_is_ready_and_is_stopped_at_the_end(small_target: str, tmp_path: Path) -> None:
    with open_target(plan(launch=small_target), os.environ, tmp_path) as target:
        assert target.host.startswith("http://127.0.0.1:")
        assert target.child is not None
        assert not target.lost
        family = psutil.Process(target.child.pid).children(recursive=True)
        assert family
    assert not [process for process in family if process.is_running()]


def test_what_a_target_prints_under_load_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perflab.drive.target.MAX_OUTPUT_BYTES", 10_000)
    server = tmp_path / "server.py"
    server.write_text(
        "import http.server, sys\n"
        "class Loud(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        print('x' * 50_000, flush=True)\n"
        "        self.send_response(200)\n        self.send_header('Content-Length', '0')\n        self.end_headers()\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Loud).serve_forever()\n"
    )
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(server))} {{port}}"
    with open_target(plan(launch=command), os.environ, tmp_path) as target:
        assert target.output is not None
        for _ in range(3):
            ask(target.host, "/", 10)
            target.forget_output()
        # It went on at the file's beginning.
        assert os.fstat(target.output).st_size <= 10_000
        ask(target.host, "/", 10)
        assert os.fstat(target.output).st_size < 70_000


def test_a_target_that_dies_is_told(small_target: str, tmp_path: Path) -> None:
    with open_target(plan(launch=small_target), os.environ, tmp_path) as target:
        assert target.child is not None
        # The guards' child is the server.
        psutil.Process(target.child.pid).children(recursive=True)[1].kill()
        target.child.wait(20)
        assert target.lost


def test_the_command_runs_under_perflabs_own_python(tmp_path: Path) -> None:
    code = "import sys; print(sys.executable); sys.exit(9)"
    with (
        pytest.raises(TargetError, match=rf"exit code 9 before it was ready: {Path(sys.executable).parent}"),
        open_target(plan(launch=f'python -c "{code}"'), {"PATH": "/usr/bin:/bin"}, tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        ("no-such-server {port}", "no-such-server"),
        ("sh -c 'echo out of cheese >&2; exit 4'", "out of cheese"),
        ("sh -c 'echo db postgres://u:hunter2@h/x; exit 4'", "db postgres"),
        ("sh -c 'unbalanced", "not a command line"),
        ("sh -c 'unbalanced --password=hunter2", "not a command line"),
    ],
)
def test_a_target_that_does_not_start_is_told_with_its_last_words(launch: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=words) as caught, open_target(plan(launch=launch), os.environ, tmp_path):
        pass
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


ANSWERS = """
import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
begun, statuses = time.monotonic(), [int(word) for word in sys.argv[2:]]
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        late = time.monotonic() - begun > 0.5
        self.send_response(statuses[-1] if late or self.path == "/ready" else statuses[0])
        self.end_headers()
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.parametrize(("statuses", "told"), [("404", 404), ("301", 301), ("401", 401), ("503 403", 403)])
def test_a_target_that_answers_otherwise_is_told_at_once(tmp_path: Path, statuses: str, told: int) -> None:
    (tmp_path / "server.py").write_text(ANSWERS)
    with (
        pytest.raises(TargetError, match=rf"/health answers {told}: give --health PATH"),
        open_target(plan(launch=f"python server.py {{port}} {statuses}"), os.environ, tmp_path),
    ):
        pass


def test_a_target_that_speaks_something_else_is_told(tmp_path: Path) -> None:
    code = (
        "import socket, sys\ns = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
        "while True: s.accept()[0].send(b'220 mail is spoken here\\n')"
    )
    (tmp_path / "server.py").write_text(code)
    with (
        pytest.raises(TargetError, match="but not in HTTP"),
        open_target(plan(launch="python server.py {port}"), os.environ, tmp_path),
    ):
        pass


@pytest.mark.parametrize("early", ["404", "503", "425"])
def test_a_target_may_answer_otherwise_for_a_moment(tmp_path: Path, early: str) -> None:
    (tmp_path / "server.py").write_text(ANSWERS)
    with open_target(plan(launch=f"python server.py {{port}} {early} 204"), os.environ, tmp_path) as target:
        assert not target.lost


def test_another_health_path(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text(ANSWERS)
    launched = plan(launch="python server.py {port} 404 404 200", health="/ready")
    with open_target(launched, os.environ, tmp_path) as target:
        assert not target.lost


def test_an_unreachable_host_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(TargetError, match=r"http://127\.0\.0\.1:9 can't be reached"),
        open_target(plan(host="http://127.0.0.1:9"), os.environ, tmp_path),
    ):
        pass


def test_a_host_that_no_resolver_takes_is_told(tmp_path: Path) -> None:
    allowing = {"LOAD_TEST_ALLOWED_HOSTS": "a..b"}
    with (
        pytest.raises(TargetError, match="can't be reached"),
        open_target(plan(host="http://a..b"), allowing, tmp_path),
    ):
        pass


@pytest.mark.parametrize("launch", [None, "sleep 60"])
def test_a_plan_of_any_origin_passes_the_gate(tmp_path: Path, launch: str | None) -> None:
    foreign = plan(host="http://192.0.2.1:80", launch=launch)
    with pytest.raises(TargetError, match=r"--allow-host 192\.0\.2\.1"), open_target(foreign, {}, tmp_path):
        pass


def test_another_server_on_the_port_is_not_taken_for_the_launched_one(small_target: str, tmp_path: Path) -> None:
    with (
        open_target(plan(launch=small_target), os.environ, tmp_path) as other,
        pytest.raises(TargetError, match="something else answers"),
        open_target(plan(launch="sleep 60", host=other.host), os.environ, tmp_path),
    ):
        pass


def test_cpu_of_the_whole_tree_is_seen(tmp_path: Path) -> None:
    busy = "while True: pass"
    code = f"import os, time\nif os.fork() == 0:\n  {busy}\nprint(1, flush=True)\ntime.sleep(60)"
    from perflab.drive.child import Child

    child = Child([sys.executable, "-c", code], environment=os.environ, cwd=tmp_path, output=2, grace_s=0.1)
    try:
        tree = ProcessTree(child.pid)
        used = 0.0
        for _ in range(100):
            child.wait(0.1)
            used = max(used, tree.take().cpu_percent)
            if used > 20:
                break
        assert used > 20
    finally:
        child.stop("KILL")
