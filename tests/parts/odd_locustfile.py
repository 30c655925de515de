"""One user a way of making requests; each request is named CLIENT CASE, so that each stands in a row of its own."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import gevent
from locust import FastHttpUser, HttpUser, constant, task
from locust import User as LocustUser

CASES = ("plain", "redirect", "chunked", "large", "error", "closes", "breaks")


class _Cases:
    wait_time = constant(0.02)
    fixed_count = 1
    kind = ""
    client: Any

    def cases(self) -> None:
        for case in CASES:
            self.client.get(f"/{case}", name=f"{self.kind} {case}")
        self.client.head("/plain", name=f"{self.kind} head")
        self.client.post("/plain", data="x" * 200_000, name=f"{self.kind} post")
        with self.client.get("/plain", name=f"{self.kind} outer", catch_response=True) as response:
            self.client.get("/large", name=f"{self.kind} inner")
            gevent.sleep(0.05)
            response.success()
        self.client.get("/hangs", name=f"{self.kind} timeout", **self.patience())

    def patience(self) -> dict[str, Any]:
        return {}


class Requests(_Cases, HttpUser):
    kind = "requests"
    tasks = [_Cases.cases]  # noqa: RUF012

    def on_start(self) -> None:
        self.client.verify = False

    def patience(self) -> dict[str, Any]:
        return {"timeout": 0.3}


class Fast(_Cases, FastHttpUser):
    kind = "fast"
    tasks = [_Cases.cases]  # noqa: RUF012
    network_timeout = 0.3


class Busy(HttpUser):
    """Its own process is busy while the answer comes in."""

    fixed_count = 1
    wait_time = constant(0.2)

    def on_start(self) -> None:
        self.client.verify = False
        self.client.get("/plain", name="busy warm")

    @task
    def busy(self) -> None:
        gevent.spawn(self.block)
        self.client.get("/plain", name="busy plain")

    def block(self) -> None:
        # Once the request has been sent, the whole process does nothing else for 150 ms.
        gevent.sleep(0.005)
        end = time.perf_counter() + 0.15
        while time.perf_counter() < end:
            pass


class Raw(LocustUser):
    """Plain sockets and the event fired by hand; every other time on a connection of its own."""

    fixed_count = 2
    wait_time = constant(0.02)
    kept: socket.socket | None = None

    def on_start(self) -> None:
        self.kept = self.connect()

    @task
    def keeps(self) -> None:
        assert self.kept is not None
        with self.told("raw kept", start=True):
            self.exchange(self.kept)

    @task
    def opens(self) -> None:
        with self.told("raw opened", start=False):
            connection = self.connect()
            self.exchange(connection)
        connection.close()

    @task
    def untold(self) -> None:
        # Traffic that no event tells of belongs to no request.
        connection = self.connect()
        self.exchange(connection)
        connection.close()

    def connect(self) -> socket.socket:
        where = urlsplit(self.host or "")
        connection = socket.create_connection((where.hostname, where.port))
        if where.scheme == "https":
            connection = ssl._create_unverified_context().wrap_socket(connection)  # noqa: S323
        return connection

    def exchange(self, connection: socket.socket) -> None:
        connection.sendall(b"GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while not received.endswith(b"ok"):
            received += connection.recv(1000)

    def told(self, name: str, *, start: bool) -> Any:
        return _Told(self, name, start)


class _Told:
    def __init__(self, user: LocustUser, name: str, start: bool) -> None:
        self.user, self.name, self.start = user, name, start

    def __enter__(self) -> None:
        self.began, self.clock = time.time(), time.perf_counter()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            # Locust has ended the user in the middle of it.
            return
        extra = {"start_time": self.began} if self.start else {}
        self.user.environment.events.request.fire(
            request_type="RAW",
            name=self.name,
            response_time=(time.perf_counter() - self.clock) * 1000,
            response_length=2,
            exception=None,
            context={},
            **extra,
        )


def names() -> Iterator[str]:
    """The names of all requests."""
    for kind in ("requests", "fast"):
        yield from (f"{kind} {case}" for case in (*CASES, "head", "post", "outer", "inner", "timeout"))
    yield from ("busy warm", "busy plain", "raw kept", "raw opened")
