"""Asking a host over HTTP, within one deadline however slowly its answer comes, and without taking in all of it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

# An answer may have no end. What its beginning takes tells how fast it comes.
MAX_ANSWER_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """One answer: its status, and the ms until the connection was open (TLS included) and from then on."""

    status: int
    connect_ms: float
    answer_ms: float


def ask(host: str, path: str, within_s: float, context: ssl.SSLContext | None = None) -> HostAnswer:
    """Return how `host` answers to GET `path`, on a connection of its own, in `within_s` seconds from now at most.

    Without a `context` certificates are not looked at. Raises TimeoutError, OSError, UnicodeError for a name that can't
    be one, and http.client.HTTPException for an answer that is not in HTTP.
    """
    parts = urlsplit(host)
    name = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(
            name,
            parts.port,
            timeout=within_s,
            # A target under test often has a certificate of its own making, and only a question is sent.
            context=context or ssl._create_unverified_context(),  # noqa: S323
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(name, parts.port, timeout=within_s)
    )
    question = _Question(connection, parts.path.rstrip("/") + path)
    return within(within_s, question.ask, question.cut_off)


def within(seconds: float, act: Callable[[], T], give_up: Callable[[], None] = lambda: None) -> T:
    """Return what `act` returns, or raise what it raises; TimeoutError after so many seconds.

    A socket's own timeout is for each of its steps, and starts again with every byte. `act` runs in a thread of its
    own, which `give_up` then ends.
    """
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(act())
        except Exception as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        give_up()
        raise TimeoutError(f"no answer within {seconds:g} s") from None


class _Question:
    """One question on a connection of its own, which somebody else may give up at any moment."""

    def __init__(self, connection: http.client.HTTPConnection, path: str) -> None:
        self._connection = connection
        self._path = path
        # The connection forgets its socket when it hands it to an answer without end.
        self._socket: socket.socket | None = None
        self._given_up = False

    def ask(self) -> HostAnswer:
        try:
            began = time.perf_counter()
            self._connection.connect()
            self._socket = self._connection.sock
            if self._given_up:
                raise TimeoutError
            connected = time.perf_counter()
            self._connection.request("GET", self._path)
            response = self._connection.getresponse()
            response.read(MAX_ANSWER_BYTES)
            return HostAnswer(response.status, 1000 * (connected - began), 1000 * (time.perf_counter() - connected))
        finally:
            self._connection.close()

    def cut_off(self) -> None:
        # To close it would not wake up who reads from it.
        self._given_up = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
