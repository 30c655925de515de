from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
import requests

from perflab.record.outcome import classify, message_of


def http(status: int) -> SimpleNamespace:
    return SimpleNamespace(status_code=status)


class HTTPConnectionClosed(Exception):  # noqa: N818 - the name that geventhttpclient gives it
    pass


def refused_by_requests() -> Exception:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        requests.get(f"http://127.0.0.1:{port}", timeout=5)
    except requests.ConnectionError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("response", "exception", "outcome"),
    [
        (http(200), None, ("ok", 200)),
        (http(503), Exception("bad status"), ("http_503", 503)),
        (http(404), Exception("wrong"), ("http_404", 404)),
        (http(404), None, ("ok", 404)),
        (http(200), Exception("no token in the answer"), ("check", 200)),
        (http(0), TimeoutError("timed out"), ("timeout", 0)),
        (http(0), requests.ReadTimeout("x"), ("timeout", 0)),
        (http(0), ConnectionRefusedError(111, "refused"), ("refused", 0)),
        (http(0), ConnectionResetError(104, "reset"), ("reset", 0)),
        (http(0), BrokenPipeError(32, "pipe"), ("reset", 0)),
        (http(0), HTTPConnectionClosed("closed"), ("reset", 0)),
        (http(0), socket.gaierror(-2, "unknown"), ("dns", 0)),
        (None, ValueError("custom"), ("ValueError", 0)),
        (None, "just a text", ("check", 0)),
    ],
)
def test_outcomes_are_short_words(response: object, exception: object, outcome: tuple[str, int]) -> None:
    assert classify(response, exception) == outcome


def test_what_lies_under_a_clients_wrapping_decides() -> None:
    assert classify(http(0), refused_by_requests()) == ("refused", 0)


def test_a_message_is_one_line_without_secrets() -> None:
    error = Exception("GET http://u:hunter2@h/a?key=hunter2\nAuthorization: Bearer hunter2")
    assert "hunter2" not in message_of(error)
    assert "\n" not in message_of(error)
    assert len(message_of(Exception("x" * 10_000))) == 200


def test_of_a_long_message_only_the_beginning_is_redacted_and_kept() -> None:
    assert message_of("-" * 1_000_000) == "-" * 199 + "…"
    assert message_of("GET http://u:" + "hunter2" * 1_000_000 + "@h/a") == "GET http://…"
