"""A GET request with a single deadline, however slowly the response arrives, and without reading all of it."""

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

# A response may be endless. Its beginning shows how fast it arrives.
MAX_ANSWER_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """A response: its status, and the ms until the connection was open (TLS included) and from then on."""

    status: int
    connect_ms: float
    answer_ms: float


def ask(host: str, path: str, within_s: float, context: ssl.SSLContext | None = None) -> HostAnswer:
    """Return the response of `host` to GET `path` on a new connection, within `within_s` seconds in total.

    Without a `context`, certificates are not verified. Raises TimeoutError, OSError, UnicodeError for an impossible
    host name, and http.client.HTTPException for a response that is not HTTP.
    """
    parts = urlsplit(host)
    name = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(
            name,
            parts.port,
            timeout=within_s,
            # Targets under test often have self-signed certificates, and no secrets are sent.
            context=context or ssl._create_unverified_context(),  # noqa: S323
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(name, parts.port, timeout=within_s)
    )
    request = _Request(connection, parts.path.rstrip("/") + path)
    return within(within_s, request.send, request.cut_off)


def within(seconds: float, act: Callable[[], T], give_up: Callable[[], None] = lambda: None) -> T:
    """Return or raise what `act` does; raises TimeoutError after so many seconds.

    A socket's own timeout applies to each step, and starts again with every byte. `act` runs in a thread of its own,
    which `give_up` is to end after a timeout.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(act())
        except Exception as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return result.result(seconds)
    except TimeoutError:
        give_up()
        raise TimeoutError(f"no answer within {seconds:g} s") from None


class _Request:
    """A request on a connection of its own, which another thread may cut off at any time."""

    def __init__(self, connection: http.client.HTTPConnection, path: str) -> None:
        self._connection = connection
        self._path = path
        # The connection drops its socket when it passes it on to an endless response.
        self._socket: socket.socket | None = None
        self._given_up = False

    def send(self) -> HostAnswer:
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
        # Closing it would not wake up the thread that reads from it.
        self._given_up = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
