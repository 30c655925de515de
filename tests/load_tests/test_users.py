"""How the users behave when the target does not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .conftest import (
    LOCUST,
    LOCUSTFILE,
    REQUEST_LOG,
    ROOT,
    Environment,
    RunLocust,
    StartApi,
    free_port,
    read_requests,
    wait_until,
)

WEIGHTS = """
import json
from collections import Counter
from load_tests.users import AuthUser, GenerationUser, PaymentUser
print(json.dumps({
    user.__name__: [user.weight, Counter(task.__name__ for task in user.tasks)]
    for user in (AuthUser, GenerationUser, PaymentUser)
}))
"""

PAUSES = """
import json
from locust.env import Environment
from load_tests.users import PaymentUser
PaymentUser.host = "http://127.0.0.1:9"
user = PaymentUser(Environment(user_classes=[PaymentUser]))
pauses = [user.wait_time()]
while len(pauses) < 10:
    user._keep(None)
    pauses.append(user.wait_time())
user._keep("token")
print(json.dumps([*pauses, user.wait_time()]))
"""

IMPORT = """
import json, sys
from locust.util.load_locustfile import load_locustfile
classes, shapes = load_locustfile(sys.argv[1])
print(json.dumps({
    "classes": sorted(classes),
    "shapes": shapes,
    "from": sys.modules["load_tests"].__file__,
    "on_path": sys.path,
    "pandas": "pandas" in sys.modules,
}))
"""


def run_python(code: str, *arguments: str, environment: Environment, cwd: Path = ROOT, **variables: str) -> Any:
    """What a fresh process prints as JSON; Locust must not be imported into this one."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=environment | variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_weights_of_users_and_tasks(clean_environment: Environment) -> None:
    assert run_python(WEIGHTS, environment=clean_environment) == {
        "AuthUser": [43, {"register_new_user": 30, "log_in_again": 50, "check_health": 20}],
        "GenerationUser": [45, {"create_generation": 70, "list_generations": 30, "get_generation": 20}],
        "PaymentUser": [12, {"create_payment": 60, "list_payments": 40}],
    }


def test_weights_come_from_the_settings(clean_environment: Environment) -> None:
    mix = {"LOAD_TEST_WEIGHT_AUTH": "0", "LOAD_TEST_WEIGHT_GENERATION": "7", "LOAD_TEST_WEIGHT_PAYMENTS": "2"}
    found = run_python(WEIGHTS, environment=clean_environment | mix)
    assert {kind: weight for kind, (weight, _) in found.items()} == {
        "AuthUser": 0,
        "GenerationUser": 7,
        "PaymentUser": 2,
    }


def test_pauses_grow_while_signing_in_is_refused(clean_environment: Environment) -> None:
    no_thinking = {"LOAD_TEST_WAIT_MIN": "0", "LOAD_TEST_WAIT_MAX": "0"}
    first, *refused, last = run_python(PAUSES, environment=clean_environment | no_thinking)
    assert (first, last) == (0, 0)
    for pause, longest in zip(refused, [1, 2, 4, 8, 16, 16, 16, 16, 16], strict=True):
        assert longest / 2 <= pause <= longest


def test_the_locustfile_finds_its_own_package(clean_environment: Environment, tmp_path: Path) -> None:
    decoy = tmp_path / "load_tests"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise RuntimeError('the package of another project')")
    loaded = run_python(IMPORT, str(LOCUSTFILE), environment=clean_environment, cwd=tmp_path)
    assert loaded["classes"] == ["AuthUser", "GenerationUser", "PaymentUser"]
    assert loaded["shapes"] == []
    assert loaded["from"] == str(LOCUSTFILE.with_name("__init__.py"))
    # Else `import config` or `import utils` anywhere in the process would get the suite's.
    assert str(LOCUSTFILE.parent) not in loaded["on_path"]
    # perflab's settings are read, not its analysis.
    assert not loaded["pandas"]


def test_users_wait_for_a_target_and_outlive_its_loss(
    start_platform_api: StartApi, clean_environment: Environment, tmp_path: Path
) -> None:
    users, port = 6, free_port()
    log, output = tmp_path / "requests.jsonl", tmp_path / "output.txt"
    log.touch()
    options = ("-u", str(users), "-r", str(users), "--headless", "-t", "120s")
    only_with_an_account = {
        ("/api/v1/auth/login", 200),
        ("/api/v1/generation/create", 201),
        ("/api/v1/payments/create", 201),
    }

    def seen(wanted: Callable[[dict[str, Any]], bool], at_least: int) -> Callable[[], bool]:
        return lambda: sum(map(wanted, read_requests(log))) >= at_least

    def api_serves_all_users() -> None:
        before = len(read_requests(log))

        def all_served() -> bool:
            new = read_requests(log)[before:]
            return users == len(
                {line["user"] for line in new if (line["name"], line["status"]) in only_with_an_account}
            )

        with start_platform_api("--hash-cost", "4", "--port", str(port)):
            wait_until(all_served)

    with (
        output.open("wb") as console,
        subprocess.Popen(
            [*LOCUST, "-f", f"{LOCUSTFILE},{REQUEST_LOG}", "-H", f"http://127.0.0.1:{port}", *options],
            cwd=ROOT,
            env=clean_environment | {"REQUEST_LOG": str(log)},
            stdout=console,
            stderr=subprocess.STDOUT,
        ) as locust,
    ):
        try:
            wait_until(seen(lambda line: bool(line["error"]), users))
            api_serves_all_users()
            # The second one has an empty database and does not know the tokens of the first.
            api_serves_all_users()
        finally:
            locust.terminate()
            locust.wait(30)
    assert "Traceback" not in output.read_text()
    reasons = {line["error"] for line in read_requests(log) if line["error"]}
    assert any("refused" in reason for reason in reasons)
    assert "CatchResponseError('status 401')" in reasons


class _Hostile(BaseHTTPRequestHandler):
    """Signs everyone in, then answers badly in every way in turn."""

    protocol_version = "HTTP/1.1"
    turn = 0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the test's output quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        token = {"user_id": 1, "access_token": "hush-hush", "token_type": "bearer"}
        if self.path.endswith("/register"):
            self._answer(201, json.dumps(token | {"email": body["email"]}).encode())
        else:
            self._misbehave(201)

    def do_GET(self) -> None:
        self._misbehave(200)

    def _misbehave(self, good: int) -> None:
        type(self).turn += 1
        bodies = [b"[]", b"{}", b"{", b"", b"\xff", b'{"id": null, "status": 5, "items": 1, "next": {}}']
        match self.turn % 9:
            case 6:
                self._answer(good, b"{}", length=500)
                self.close_connection = True
            case 7:
                self._answer(500, b"<h1>hush-hush</h1>")
            case 8:
                self.close_connection = True
            case number:
                self._answer(good, bodies[number])

    def _answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def hostile_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hostile) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_bad_replies_are_failures_in_few_words(run_locust: RunLocust) -> None:
    with hostile_server() as url:
        result = run_locust(
            url, "-u", "12", "-r", "12", until=lambda requests: len(requests) > 300, LOAD_TEST_TIMEOUT="5"
        )
    # 1: requests failed. 2 would be an exception that escaped from a user.
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    good = {line["name"] for line in result.requests if not line["error"]}
    assert good == {"/api/v1/auth/register"}
    errors = {error for _, error in result.failures}
    assert {
        "CatchResponseError('status 500')",
        "CatchResponseError('not a JSON object')",
        "CatchResponseError('id missing')",
        "CatchResponseError('id of wrong type')",
    } <= errors
    # A reply that breaks off is told as what the connection said.
    assert any(not error.startswith("CatchResponseError") for error in errors)
    assert len(errors) < 20
    assert not any("hush" in error or "http:" in error for error in errors)
