"""Users that tell the target who they are; STRAYS makes one class ask the environment's host instead of its own."""

from __future__ import annotations

import itertools
import os

from locust import FastHttpUser, HttpUser, User, constant, task

number = itertools.count()


def identity(user: User) -> dict[str, str]:
    if not hasattr(user, "number"):
        user.number = next(number)  # type: ignore[attr-defined]
    return {"X-User": f"{type(user).__name__} {os.getpid()} {user.number}"}  # type: ignore[attr-defined]


class Fast(FastHttpUser):
    weight = 2
    wait_time = constant(0.03)

    @task
    def ask(self) -> None:
        self.client.get("/count", headers=identity(self))


class Plain(HttpUser):
    wait_time = constant(0.03)

    @task
    def ask(self) -> None:
        host = self.environment.host if "STRAYS" in os.environ else ""
        self.client.get(f"{host}/count", name="/count", headers=identity(self))
