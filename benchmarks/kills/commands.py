"""The commands that `benchmarks.kills` runs, each in a folder of its own, and the processes that they start."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil

from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab.drive.target import free_port
from perflab.store.layout import SIDES

USERS = 10
MARK = "PERFLAB_KILLS_MARK"
NEXT_COMMAND_S = 60.0
VICTIMS = {
    "sweep": ("perflab", "preflight", "locust", "target", "guard", "kernel"),
    "sweep of 2 processes": ("perflab", "locust", "worker", "target", "guard"),
    "sweep of the reference API": ("perflab", "locust", "target", "guard", "watcher", "postmaster", "backend"),
    "ab": ("perflab", "locust", "target", "guard", "kernel"),
    "calibrate": ("perflab", "locust", "target", "guard"),
    "report": ("perflab", "kernel"),
    "compare": ("perflab", "kernel"),
}
"""By command, the kinds of processes that it has: preflight is Locust's first reading of the locustfile, watcher the
process that PostgreSQL ends with, backend any other of PostgreSQL's than its first."""

LOCUSTFILE = """
import os
from locust import FastHttpUser, constant, task
class Impatient(FastHttpUser):
    wait_time = constant(0.05)
    @task
    def ask(self): self.client.get(os.environ["KILLS_PATH"], name="ask")
"""
# The reference API with a log of what it has answered, as perflab.calibration.server writes one.
API = """
import sys, time
from load_tests.platform_api import __main__ as api, server
made = server.create_app
def create_app(*arguments):
    app, log = made(*arguments), open("served.csv", "a", buffering=1)
    async def counted(scope, receive, send):
        arrived = time.time()
        await app(scope, receive, send)
        if scope["query_string"]: log.write(f"{arrived:.6f},0,0\\n")
    return counted
server.create_app = create_app
sys.exit(api.main())
"""
CALIBRATE = """
import functools, perflab.calibration.calibration as calibration, perflab.calibration.ramp as ramp
from perflab.cli import main
ramp.PROBE_USERS = 20
calibration.calibrate = functools.partial(calibration.calibrate, clients=("FastHttpUser",), seconds=4.0)
main()
"""


class Running:
    """A command at work in a folder, by which, and by a mark in their environment, its processes are found."""

    def __init__(self, command: str, folder: Path) -> None:
        self._command = command
        self._mark = uuid.uuid4().hex
        self._before = set(psutil.pids())
        self.folder, self.tmp, self.runs_dir = folder, folder / "tmp", folder / "runs"
        self.tmp.mkdir(parents=True)
        (folder / "pyproject.toml").touch()
        (folder / "locustfile.py").write_text(LOCUSTFILE, encoding="utf-8")
        (folder / "api.py").write_text(API, encoding="utf-8")
        if command in {"report", "compare"}:
            for system, label in enumerate(("base", "other")):
                load = Load(users=(100,), repeats=5, seconds=10, spawn_rate=100, run_cv=0.02, system=system)
                write_recorded_sweep(self.runs_dir, load, label=label)
        self._environment = {name: text for name, text in os.environ.items() if not name.startswith("LOAD_TEST_")} | {
            MARK: self._mark,
            "TMPDIR": str(self.tmp),
            "LOAD_TEST_SETTLE_SECONDS": "1",
            "LOAD_TEST_TIMEOUT": "5",
            # perflab's own requests are not logged: on the server of known latency no /health, on the API no query is.
            "KILLS_PATH": "/health?logged" if "API" in command else "/",
        }
        self.begun = time.monotonic()
        self.process = self._start(_words(command, self.runs_dir), "said")

    def _start(self, command: list[str], said: str) -> subprocess.Popen[bytes]:
        with (self.folder / said).open("wb") as err:
            return subprocess.Popen(
                command, cwd=self.folder, env=self._environment, stdout=subprocess.DEVNULL, stderr=err
            )

    def said(self) -> list[str]:
        """Return the lines that the command has written to stderr."""
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace").splitlines()

    def family(self) -> list[psutil.Process]:
        """Return its processes that live. PostgreSQL's have written over their environment, but work in the folder."""
        found = []
        for pid in psutil.pids():
            with contextlib.suppress(psutil.Error, OSError):
                if pid not in self._before and (process := psutil.Process(pid)).status() != psutil.STATUS_ZOMBIE:
                    inside = process.cwd().startswith(f"{self.folder}/")
                    if inside or process.environ().get(MARK) == self._mark:
                        found.append(process)
        return found

    def kind(self, process: psutil.Process) -> str:
        """Return what a process is, by its command line; empty if it is none of those that are killed."""
        try:
            words, name = process.cmdline(), process.name()
            if process.pid == self.process.pid:
                return "perflab"
            for kind in ("guard", "watcher"):
                if any(word.endswith(f"/{kind}.py") for word in words[:5]):
                    return kind
            if name == "postgres":
                return "postmaster" if "-D" in words else "backend"
            if "perflab.record.program" in words:
                parent = process.parent()
                of_locust = parent is not None and self.kind(parent) == "locust"
                return "preflight" if "check" in words else "worker" if of_locust else "locust"
        except psutil.Error:
            return ""
        kinds = {"ipykernel_launcher": "kernel", "perflab.calibration.server": "target", "api.py": "target"}
        return next((kind for word, kind in kinds.items() if word in words), "")

    def of_kind(self, kind: str) -> list[psutil.Process]:
        """Return its processes of one kind."""
        return [process for process in self.family() if self.kind(process) == kind]

    def next_command(self) -> str:
        """Run another command here, which clears up, as the next start of the API does for its database.

        Returns what is wrong with it.
        """
        if "API" in self._command and (wrong := self._start_api()):
            return wrong
        following = self._start([sys.executable, "-m", "perflab", "list", "--runs-dir", "runs"], "next")
        code = following.wait(NEXT_COMMAND_S)
        return f"exit code {code}: {(self.folder / 'next').read_text()}" if code else ""

    def _start_api(self) -> str:
        port = free_port()
        api = self._start([sys.executable, "api.py", "--port", str(port)], "next")
        deadline = time.monotonic() + NEXT_COMMAND_S
        while time.monotonic() < deadline and api.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        api.terminate()
        code = api.wait(NEXT_COMMAND_S)
        return f"the API's exit code {code}: {(self.folder / 'next').read_text()}" if code else ""

    def leftovers(self) -> list[Path]:
        """Return what is hidden among the results, and all temporary files."""
        own = self.tmp / f"perflab-{os.getuid()}"
        return [*self.runs_dir.rglob(".*"), *own.glob("*"), *(path for path in self.tmp.iterdir() if path != own)]


def _words(command: str, runs_dir: Path) -> list[str]:
    perflab, place = [sys.executable, "-m", "perflab"], ["--runs-dir", "runs"]
    load = ["-f", "locustfile.py", "--users", str(USERS), "--spawn-rate", str(USERS), "--duration", "4s", *place]
    server = [sys.executable, "-m", "perflab.calibration.server", "--port", "{port}", "--log"]
    sweep = [*perflab, "sweep", *load, "--launch"]
    ids = sorted(path.name for path in runs_dir.glob("*"))
    match command:
        case "sweep":
            return [*sweep, shlex.join([*server, "served.csv"])]
        case "sweep of 2 processes":
            return [*sweep, shlex.join([*server, "served.csv"]), "--processes", "2", "--no-report"]
        case "sweep of the reference API":
            return [*sweep, shlex.join([sys.executable, "api.py", "--port", "{port}"]), "--no-report"]
        case "ab":
            sides = [shlex.join([*server, f"served-{side}.csv"]) for side in SIDES]
            return [*perflab, "ab", *sides, "--rounds", "2", *load]
        case "calibrate":
            return [sys.executable, "-c", CALIBRATE, "calibrate", "--processes", "1", *place]
        case "report":
            return [*perflab, "report", ids[0], *place]
        case _:
            return [*perflab, "compare", *ids, *place]
