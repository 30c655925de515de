"""Load on the generation API."""

from __future__ import annotations

import random
from collections import deque

from locust import task
from locust.env import Environment

from load_tests.replies import ID
from load_tests.users.base import PlatformUser, settings

CREATE = "/api/v1/generation/create"
LIST = "/api/v1/generation/list"
ONE = "/api/v1/generation"

TASK_SHAPE = {"status": str, "prompt": str, "model": str, "created_at": ID, "finished_at": ID | None}


class GenerationUser(PlatformUser):
    """Creates generation tasks and looks after them."""

    weight = settings.weight_generation

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._created: deque[str | int] = deque(maxlen=100)
        self._next_page: str | int | None = None

    @task(70)
    def create_generation(self) -> None:
        """Ask for a generation."""
        shape = {"id": ID, "status": str}
        reply = self.call_signed_in("POST", CREATE, json=self.data.prompt(), expect=(201,), shape=shape)
        if reply.body:
            self._created.append(reply.body["id"])

    @task(30)
    def list_generations(self) -> None:
        """Page through the user's tasks, newest first."""
        page = f"&before={self._next_page}" if self._next_page is not None else ""
        shape = {"items": list, "next": ID | None}
        reply = self.call_signed_in("GET", f"{LIST}?limit=20{page}", name=LIST, shape=shape)
        self._next_page = reply.body["next"] if reply.body else None

    @task(20)
    def get_generation(self) -> None:
        """Ask how one of the user's tasks is getting on."""
        if not self._created:
            self.create_generation()
        if self._created:
            chosen = random.choice(self._created)
            shape = {"id": chosen, **TASK_SHAPE}
            self.call_signed_in("GET", f"{ONE}/{chosen}", name=f"{ONE}/{{id}}", shape=shape)
