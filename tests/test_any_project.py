"""A user's project as it may be: odd names, files that are called like modules, and settings of plain Locust."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perflab.analyse.sweep import Sweep
from perflab.drive.locust import locust_environment, warn_of_settings
from perflab.store.layout import SweepDir

# All that a name of a folder can have, and what Locust, papermill, URLs, shells and TOML make something of.
ODD = "we,ird {u} {port} %20 $HOME 'q' \"d\" #é\n[id] ; -x "
SHADOWS = ("token.py", "queue/__init__.py", "perflab/__init__.py", "gevent.py", "json.py", "prometheus_client.py")
LOCUSTFILE = """
from locust import FastHttpUser, constant, events, tag, task
import beside
names = open("users.csv").read().split()
@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--flavour", default="plain")
class Base(FastHttpUser):
    abstract = True
    wait_time = constant(0.05)
    @tag("fast")
    @task
    def fast(self):
        flavour = self.environment.parsed_options.flavour
        self.client.get("/health", name=f"{type(self).__name__} fast {flavour} {names[0]} {beside.NAME}")
    @tag("slow")
    @task
    def slow(self):
        self.client.get("/health", name=f"{type(self).__name__} slow")
class Chosen(Base): pass
class Other(Base): pass
"""
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
open("users.csv").close()
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
LOCUSTS_OWN = {
    "LOCUST_TAGS": "slow",
    "LOCUST_EXCLUDE_TAGS": "fast",
    "LOCUST_USER_CLASSES": "Other",
    "LOCUST_PROCESSES": "2",
    "LOCUST_RESET_STATS": "true",
    "LOCUST_MODE_MASTER": "true",
    "LOCUST_USERS": "7",
    "LOCUST_RUN_TIME": "1s",
    "LOCUST_STOP_TIMEOUT": "1h",
    "LOCUST_HEADFUL": "true",
    "LOCUST_CONFIG_USERS": '[{"user_class_name": "Chosen", "weight": 0}]',
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def perflab(*arguments: str, folder: Path, home: Path, **further: str) -> subprocess.CompletedProcess[str]:
    program = [str(Path(sys.executable).with_name("perflab")), *arguments]
    environment = {**os.environ, "HOME": str(home), "LOAD_TEST_SETTLE_SECONDS": "1", **further}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sub-folder of a project, in which everything lies."""
    top = tmp_path_factory.mktemp("any") / ODD
    settings = "tags = slow\nmaster = true\nreset-stats = true\nusers = 9\n"
    write(
        top / "load",
        {
            "locust.py": LOCUSTFILE,
            "beside.py": "NAME = 'beside'\n",
            "users.csv": "ada\n",
            "server.py": SERVER,
            "locust.conf": settings,
            "objectives.toml": '[all]\nendpoints = ["*"]\nsuccess_rate = { at_least = 0.5 }\n',
            "pyproject.toml": '[tool.locust]\nexclude-tags = ["fast"]\nrun-time = "1s"\n',
            **dict.fromkeys(SHADOWS, "raise RuntimeError('this is the project, not the module')\n"),
        },
    )
    write(top, {".env.load-testing": "", "home/.locust.conf": settings})
    # The project is what is above: relative paths start in the folder of whoever types them, nevertheless.
    (top / "load" / "pyproject.toml").rename(top / "load" / "pyproject.toml.later")
    return top


@pytest.fixture(scope="module")
def swept(project: Path) -> tuple[Sweep, str]:
    done = perflab(
        *("sweep", "-f", "locust.py", "--launch", "python -P server.py {port}", "--users", "4", "--spawn-rate", "10"),
        *("--duration", "3s", "--runs-dir", "out{u}", "--json"),
        *("--", "Chosen", "--flavour", "sweet", "--tags", "fast"),
        folder=project / "load",
        home=project / "home",
        **LOCUSTS_OWN,
    )
    assert done.returncode in (0, 4), done.stderr
    [place] = (project / "load" / "out{u}").iterdir()
    return Sweep.open(SweepDir(place)), done.stderr


def test_the_locustfile_runs_in_the_callers_folder_and_nothing_there_is_taken_for_a_module(
    swept: tuple[Sweep, str],
) -> None:
    sweep, _ = swept
    assert set(sweep.runs["status"]) == {"complete"}
    [run] = sweep.dir.runs()
    assert run.locust_html.is_file()
    assert (sweep.dir.path / "report.html").is_file()


def test_options_behind_dashes_are_in_force_and_settings_of_plain_locust_are_not(swept: tuple[Sweep, str]) -> None:
    sweep, said = swept
    assert set(sweep.endpoints["name"]) == {"Chosen fast sweet ada beside"}
    [manifest] = sweep.run_manifests
    assert list(manifest.suite["users"]) == ["Chosen"] if manifest.suite else False
    assert manifest.plan.locust_options == "Chosen --flavour sweet --tags fast"
    assert (str(manifest.level), manifest.evidence.users_reached) == ("4 users", 4)
    [warning] = [line for line in said.splitlines() if line.startswith("warning: not in force")]
    assert all(name in warning for name in (*LOCUSTS_OWN, "home/.locust.conf", "load/locust.conf"))


def test_the_digest_of_a_locustfile_covers_it_wherever_it_lies(swept: tuple[Sweep, str], project: Path) -> None:
    import hashlib

    files = [project / "load" / name for name in ("locust.py", "beside.py")]
    content = files[0].read_bytes() + b"beside.py\0" + files[1].read_bytes()
    [manifest] = swept[0].run_manifests
    assert manifest.suite is not None
    assert manifest.suite["locustfile"] == hashlib.sha256(content).hexdigest()


def test_the_doctor_reads_a_locustfile_as_a_sweep_does(project: Path) -> None:
    done = perflab("doctor", "-f", "locust.py", "--json", folder=project / "load", home=project)
    told = {check["check"]: check["result"] for check in json.loads(done.stdout)["checks"]}
    assert told["locustfile"] == "ok"


def test_both_sides_of_a_comparison_run_in_the_callers_folder_in_a_checkout(project: Path, tmp_path: Path) -> None:
    top = tmp_path / "repository"
    shutil.copytree(project / "load", top / "load")

    def git(*words: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(top), *identity, *words], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    done = perflab(
        *("ab", "HEAD", "HEAD", "--launch", "python -P server.py {port}", "-f", "locust.py", "--users", "4"),
        *("--rounds", "2", "--spawn-rate", "10", "--duration", "1s", "--json", "--no-report", "--runs-dir", "../out"),
        *("--", "Chosen"),
        folder=top / "load",
        home=tmp_path,
    )
    assert done.returncode in (0, 1, 3, 4), done.stderr
    [place] = (top / "out").iterdir()
    runs = [json.loads(file.read_text()) for file in place.glob("*/users-*/run.json")]
    assert {run["status"] for run in runs} == {"complete"}
    assert {run["git_commit"] for run in runs} != {None}
    assert {run["plan"]["locust_options"] for run in runs} == {"Chosen"}


def test_none_of_locusts_own_settings_goes_through(tmp_path: Path) -> None:
    kept = locust_environment({**LOCUSTS_OWN, "LOCUST_OF_THE_LOCUSTFILE": "x", "A": "b", "PATH": os.defpath})
    assert not [name for name in kept if name.startswith("LOCUST_")]
    assert kept["A"] == "b"
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nusers = 3\n")
    said = warn_of_settings({"HOME": str(tmp_path), "LOCUST_USERS": "3"}, tmp_path)
    assert "[tool.locust]" in said
    assert "LOCUST_USERS" in said
    (tmp_path / "pyproject.toml").write_text("[tool]\nlocust = 3\n[tool.ruff]\n not toml")
    assert warn_of_settings({"HOME": str(tmp_path)}, tmp_path) == ""
