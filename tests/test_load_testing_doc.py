"""Every command of docs/LOAD_TESTING.md, run in a copy of the repository.

A comment before a block says how it is run where that isn't plain: `<!-- test: background until ready -->`. Numbers
that would make the test last for hours are smaller here, and ports are free ones: `SHORTENED`. The blocks are run in
the page's order, as somebody would who reads it, and later ones use what earlier ones made.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from load_tests.platform_api.postgres import OwnPostgres
from perflab.analyse.sweep import Sweep
from perflab.drive.target import free_port
from perflab.store.layout import SweepDir
from tests.whole import losses

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "LOAD_TESTING.md"
BLOCK = re.compile(r"(?:<!-- test: (?P<how>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)\n```", re.DOTALL)
DSN = "postgresql://devstack:devstack@localhost:5432/load_test_db"

# What stands on the page, and what is run instead. Each must be needed, or the page has changed.
SHORTENED = {
    "https://staging.example.com": "http://localhost:{api}",
    "LOAD_TEST_ALLOWED_HOSTS=staging.example.com": "LOAD_TEST_ALLOWED_HOSTS=staging.example.com",
    "http://localhost:8000": "http://localhost:{api}",
    "--port 8000": "--port {second_api}",
    "0.0.0.0:5557": "127.0.0.1:{master}",
    "PORT=9646": "PORT={exporter}",
    DSN: "{dsn}",
    "--users-max 1000": "--users-max 20",
    "--users-max 500": "--users-max 20",
    "--users-max 100": "--users-max 20",
    "100 250 500 1000": "15 20",
    "--users 1000 --expect": "--users 20 --expect",
    "--duration 600": "--duration 3",
    "--duration 60s": "--duration 6s",
    "-u 1000": "-u 20",
    "-r 10": "-r 20",
    "-t 300s": "-t 6s",
}
# What a block must have made, by something in it.
MADE = {
    "cp .env": [".env.load-testing.local"],
    "./scripts/run_load_tests.sh\n": [
        "load_test_reports/locust_report.html",
        "load_test_reports/load_test_metrics.json",
    ],
    "./test_reports": ["test_reports/locust_report.html", "test_reports/load_test.log", "test_reports/report.html"],
    "users_$users": ["reports/users_15/load_test_metrics.json", "reports/users_20/users-0020-r1/latency.csv"],
    "diff baseline": ["baseline/load_test_metrics.json", "optimized/load_test_metrics.json"],
    "--csv=": ["load_test_results_stats.csv", "load_test_results_failures.csv", "load_test_report.html"],
    "report_generator.py": ["load_test_reports/junit.xml", "load_test_reports/summary.md"],
}


# What makes load. In its few seconds here requests may be too few, or come too much in clumps, to settle an objective,
# and a crowded machine may not offer the load: right answers, too. That the command did its work, what it made tells.
LOADING = ("run_load_tests.sh", "perflab sweep")
RIGHT_ANSWERS = {0, 3, 4}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of the page."""

    line: int
    language: str
    how: str
    text: str


def blocks() -> list[Block]:
    page = PAGE.read_text()
    assert page.count("```") == 2 * len(BLOCK.findall(page))
    return [
        Block(page.count("\n", 0, found.start()) + 1, found["language"], found["how"] or "", found["text"])
        for found in BLOCK.finditer(page)
    ]


@dataclass
class Shell:
    """A copy of the repository, with an API and a database, and what is still running there."""

    root: Path
    values: dict[str, str]
    environment: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    seen: set[Path] = field(default_factory=set)
    """Sweeps that are known to lack nothing."""

    def real(self, text: str) -> str:
        """The command as it is run here."""
        for stands, instead in SHORTENED.items():
            text = text.replace(stands, instead.format(**self.values))
        return text

    def run(self, text: str, options: str = "-eu", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", *shlex.split(options), "-o", "pipefail", "-c", text],
            cwd=self.root,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=200,
        )

    def start(self, text: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on; it is ended with the others at the latest."""
        log = (self.root / f"output-{len(self.running)}.txt").open("wb")
        with log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self.root,
                env=self.environment | variables,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def end(self, *processes: subprocess.Popen[bytes]) -> None:
        for process in processes or self.running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes or self.running:
            process.wait(30)


def fetch(url: str, seconds: float = 40, **form: str) -> str:
    """What a page answers once it does."""
    data = urllib.parse.urlencode(form).encode() if form else None
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, data, timeout=5) as answer:  # noqa: S310
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    root = tmp_path_factory.mktemp("check out")  # with a space in it, as some people's
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    values = {name: str(free_port()) for name in ("api", "second_api", "master", "exporter", "web")}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LOAD_TEST_", "LOCUST_", "PERFLAB_", "PLATFORM_API_", "DATABASE_URL"))
    }
    environment = kept | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PERFLAB_ENV": sys.prefix,
        "LOAD_TEST_HOST": f"http://localhost:{values['api']}",
        "LOAD_TEST_USERS_MIN": "20",
        "LOAD_TEST_USERS_MAX": "20",
        "LOAD_TEST_SPAWN_RATE": "100",
        "LOAD_TEST_DURATION_SECONDS": "3",
        "LOAD_TEST_SETTLE_SECONDS": "1",
        "LOAD_TEST_WAIT_MIN": "0.05",
        "LOAD_TEST_WAIT_MAX": "0.1",
        # Enough payments to settle theirs.
        "LOAD_TEST_WEIGHT_PAYMENTS": "50",
        # Whether this machine is fast is not the question.
        **{f"{group}_P95_LATENCY_MS": "30000" for group in ("AUTH", "GENERATION", "PAYMENTS")},
        "AUTH_SUCCESS_RATE_THRESHOLD": "0.95",
        "LOCUST_WEB_PORT": values["web"],
        "LOCUST_MASTER_BIND_PORT": values["master"],
        "LOCUST_MASTER_NODE_PORT": values["master"],
        "PLATFORM_API_HASH_COST": "4",
    }
    with OwnPostgres() as postgres:
        values["dsn"] = asyncio.run(_test_database(postgres.dsn()))
        here = Shell(root, values, environment)
        try:
            here.start(f"python -m load_tests.platform_api --port {values['api']}")
            fetch(f"http://localhost:{values['api']}/health")
            yield here
        finally:
            here.end()


async def _test_database(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE DATABASE load_test_db")
    await connection.close()
    return dsn.replace("/postgres?", "/load_test_db?")


@pytest.mark.parametrize("block", [pytest.param(block, id=f"line-{block.line}") for block in blocks()])
def test_the_block_does_what_it_says(block: Block, shell: Shell) -> None:
    if block.how == "docker":
        pytest.skip("a Docker engine is needed; tests/test_compose.py runs the command of each service")
    text = shell.real(block.text)
    if block.how.startswith("file "):
        (shell.root / block.how.removeprefix("file ")).write_text(text + "\n")
    elif block.language == "python":
        run_python(text, shell)
    elif block.how in HANDLERS:
        HANDLERS[block.how](text, shell)
    elif text.startswith("pip install"):
        run_pip(text, shell)
    else:
        run_plain(block, text, shell)
    for mark, files in MADE.items():
        if mark in block.text + "\n":
            assert [name for name in files if not (shell.root / name).is_file()] == []


def run_plain(block: Block, text: str, shell: Shell) -> None:
    allowed = {int(code) for code in block.how.removeprefix("exit ").split()} if block.how else {0}
    loads = any(command in text for command in LOADING)
    if loads:
        allowed |= RIGHT_ANSWERS
    done = shell.run(text, options="-u" if block.how or loads else "-eu")
    assert done.returncode in allowed, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for sweep in (shell.root / "runs").glob("*Z-*"):
        if sweep not in shell.seen:
            shell.seen.add(sweep)
            assert losses(Sweep.open(SweepDir(sweep))) == []


def run_python(text: str, shell: Shell) -> None:
    code = "import ast, asyncio, inspect, sys\n"
    code += f"made = compile(sys.stdin.read(), 'page', 'exec', flags={ast.PyCF_ALLOW_TOP_LEVEL_AWAIT})\n"
    code += "waiting = eval(made)\nif inspect.iscoroutine(waiting): asyncio.run(waiting)\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=shell.root,
        env=shell.environment,
        input=text,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "Created 100 users\n"), done.stderr


def run_pip(text: str, shell: Shell) -> None:
    # In an environment of its own that sees what ours has: everything that is asked for must be there already.
    scratch = shell.root / "scratch"
    if not scratch.exists():
        venv.create(scratch, with_pip=True, symlinks=True)
        [packages] = scratch.glob("lib/python*/site-packages")
        [ours] = Path(sys.prefix).glob("lib/python*/site-packages")
        (packages / "ours.pth").write_text(f"{ours}\n")
    before = {path.name for path in scratch.glob("lib/python*/site-packages/*")}
    done = shell.run(text, PATH=f"{scratch / 'bin'}:{shell.environment['PATH']}")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in scratch.glob("lib/python*/site-packages/*")} == before


def run_own_environment(text: str, shell: Shell) -> None:
    done = shell.run(text.replace(".venv", shlex.quote(sys.prefix)) + "\ncommand -v perflab locust")
    assert done.stdout.splitlines() == [str(Path(sys.prefix) / "bin" / name) for name in ("perflab", "locust")]


def run_api(text: str, shell: Shell) -> None:
    process = shell.start(text)
    assert fetch(f"http://localhost:{shell.values['second_api']}/health") == '{"status":"ok"}'
    shell.end(process)
    assert process.returncode == 0


def run_web_ui(text: str, shell: Shell) -> None:
    process = shell.start(text)
    page = f"http://localhost:{shell.values['web']}"
    assert "AuthUser" in fetch(page)
    swarm_and_stop(page, shell)
    shell.end(process)
    assert process.returncode == 0


def swarm_and_stop(page: str, shell: Shell) -> None:
    host = f"http://localhost:{shell.values['api']}"
    assert json.loads(fetch(f"{page}/swarm", user_count="8", spawn_rate="8", host=host))["success"]
    deadline = time.monotonic() + 40
    while json.loads(fetch(f"{page}/stats/requests"))["total_rps"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert json.loads(fetch(f"{page}/stop", please="stop"))["success"]


def run_master(text: str, shell: Shell) -> None:
    shell.start(text)


def run_workers_of_perflab(text: str, shell: Shell) -> None:
    master = shell.running[-1]
    workers = [shell.start(text) for _ in range(4)]
    assert master.wait(60) in RIGHT_ANSWERS, (shell.root / f"output-{len(shell.running) - 5}.txt").read_text()
    assert [worker.wait(20) for worker in workers] == [0] * 4


def run_workers_of_locust(text: str, shell: Shell) -> None:
    master = shell.running[-1]
    page = f"http://localhost:{shell.values['web']}"
    fetch(page)
    workers = [shell.start(text) for _ in range(4)]
    deadline = time.monotonic() + 40
    while len(json.loads(fetch(f"{page}/stats/requests"))["workers"]) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    swarm_and_stop(page, shell)
    shell.end(master)
    assert [worker.wait(20) for worker in workers] == [0] * 4


HANDLERS = {
    "own environment": run_own_environment,
    "background until ready": run_api,
    "web UI": run_web_ui,
    "master": run_master,
    "worker of perflab": run_workers_of_perflab,
    "locust master": run_master,
    "worker of locust": run_workers_of_locust,
}


def test_every_change_of_a_command_is_needed() -> None:
    page = "\n".join(block.text for block in blocks())
    assert [stands for stands in SHORTENED if stands not in page] == []
    assert [mark for mark in MADE if mark not in page + "\n"] == []


def test_every_command_of_the_specification_has_its_place() -> None:
    """The specification's commands, in today's form."""
    page = PAGE.read_text()
    for command in (
        "pip install -r load_tests/requirements.txt",
        "cp .env.load-testing .env.load-testing.local",
        "locust -f load_tests/locustfile.py -H http://localhost:8000",
        "./scripts/run_load_tests.sh",
        "--csv=load_test_results",
        "docker compose up",
        "python3 load_tests/data_seeder.py",
        "curl http://localhost:8000/health",
        "docker compose logs backend",
        "--master --expect-workers 4",
        "--worker --master-host=",
        "for users in 100 250 500 1000; do",
        "diff baseline/load_test_metrics.json optimized/load_test_metrics.json",
    ):
        assert command in page


def test_every_file_that_the_page_names_is_there() -> None:
    listed = re.findall(r"^\| `([\w./-]+)` \|", PAGE.read_text().rpartition("## Which file does what")[2], re.MULTILINE)
    assert len(listed) == 12
    assert [name for name in listed if not (ROOT / name).exists()] == []
