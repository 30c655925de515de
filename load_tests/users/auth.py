"""Load on the authentication API."""

from __future__ import annotations

import random

from locust import task

from load_tests.users.base import PlatformUser, seeded, settings


class AuthUser(PlatformUser):
    """Registers, logs in and looks whether the service is well."""

    weight = settings.weight_auth

    @task(30)
    def register_new_user(self) -> None:
        """Register an account that nobody has yet."""
        self.register(self.data.account())

    @task(50)
    def log_in_again(self) -> None:
        """Log in as any seeded user, or with the user's own credentials where none are seeded."""
        if self.signed_in or self.sign_in():
            count = settings.seeded_users
            self.log_in(seeded(random.randrange(count)) if count else self.account)

    @task(20)
    def check_health(self) -> None:
        """Ask whether the service is well."""
        self.call("GET", "/health", shape={"status": "ok"})
