"""Load on the authentication API."""

from __future__ import annotations

from locust import task

from load_tests.users.base import PlatformUser


class AuthUser(PlatformUser):
    """Registers, logs in and looks whether the service is well."""

    weight = 9

    @task(30)
    def register_new_user(self) -> None:
        """Register an account that nobody has yet."""
        self.register(self.data.account())

    @task(50)
    def log_in_again(self) -> None:
        """Log in with the user's own credentials."""
        if self.signed_in or self.sign_in():
            self.log_in(self.account)

    @task(20)
    def check_health(self) -> None:
        """Ask whether the service is well."""
        self.call("GET", "/health", shape={"status": "ok"})
