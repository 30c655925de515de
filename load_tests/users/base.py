"""What every user of the Platform API does: sign in, send its token, check what comes back."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any

from locust import FastHttpUser
from locust.env import Environment
from locust.runners import Runner

from load_tests.config import load_settings
from load_tests.replies import ID, Shape, flaw, parse
from load_tests.utils import Account, DataFactory, seeded_account, seeded_number, text_pool

REGISTER = "/api/v1/auth/register"
LOGIN = "/api/v1/auth/login"

# The pause after a refused sign-in doubles from 1 s up to 16 s.
MAX_DOUBLINGS = 4

USERS_PER_WORKER = 1_000_000

settings = load_settings()
# Before the first user starts, or the pool's making would delay its first requests.
text_pool(settings.seed)
_spawned = itertools.count()


def next_user_index(runner: Runner | None) -> int:
    """An index that no other user of the test has, whichever worker process it runs in."""
    worker: int = getattr(runner, "worker_index", 0)
    return worker * USERS_PER_WORKER + next(_spawned)


def seeded(number: int) -> Account:
    """The n-th seeded account, below LOAD_TEST_SEEDED_USERS."""
    return seeded_account(settings.seed, number, settings.seeded_password.get_secret_value())


@dataclass(frozen=True, slots=True)
class Reply:
    """A checked reply: `body` is None unless it is what was expected; `status` is 0 without any reply."""

    status: int = 0
    body: dict[str, Any] | None = None


class PlatformUser(FastHttpUser):
    """A person with an account and a token."""

    abstract = True
    network_timeout = connection_timeout = settings.timeout
    concurrency = 1

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        index = next_user_index(environment.runner)
        self.data = DataFactory(settings.seed, index, settings.run_id)
        self._has_seeded = settings.seeded_users > 0
        if self._has_seeded:
            self.account = seeded(seeded_number(*divmod(index, USERS_PER_WORKER), settings.seeded_users))
        else:
            self.account = self.data.account()
        self._bearer: dict[str, str] = {}
        self._refusals = 0

    @property
    def signed_in(self) -> bool:
        """Whether the user holds a token."""
        return bool(self._bearer)

    def wait_time(self) -> float:
        """Seconds to think before the next task; more and more while signing in is refused."""
        think = random.uniform(settings.wait_min, settings.wait_max)
        if not self._refusals:
            return think
        return max(think, random.uniform(0.5, 1) * 2.0 ** min(self._refusals - 1, MAX_DOUBLINGS))

    def on_start(self) -> None:
        """Sign in; a user who can't yet goes on trying before its tasks."""
        if not self.sign_in():
            self.wait()  # type: ignore[no-untyped-call]

    def sign_in(self) -> bool:
        """Get a token for the user's own account, seeded, new or not."""
        if self._has_seeded and self._keep(self.log_in(self.account)):
            return True
        # Still a seeded one that was not let in: the target is not well, and a registration would not mend that.
        return not self._has_seeded and self._keep(self.register(self.account))

    def register(self, account: Account) -> str | None:
        """Token of a new account, or of the existing one if the e-mail is taken. None if refused."""
        reply = self.call(
            "POST",
            REGISTER,
            json=account.registration,
            expect=(201,),
            tolerate=(409,),
            shape={"user_id": ID, "email": account.email, "access_token": str, "token_type": str},
        )
        if reply.status == 409:
            return self.log_in(account)
        return reply.body["access_token"] if reply.body else None

    def log_in(self, account: Account) -> str | None:
        """Token of an existing account. None if refused."""
        shape = {"user_id": ID, "access_token": str, "token_type": str, "expires_in": int | float}
        reply = self.call("POST", LOGIN, json=account.credentials, shape=shape)
        if reply.status == 401 and account is self.account:
            # The target has lost the account, a restart with an empty database for one: register again.
            self._bearer = {}
            if self._has_seeded:
                # Under another e-mail, since this one is the seeder's.
                self._has_seeded = False
                self.account = self.data.account()
        return reply.body["access_token"] if reply.body else None

    def call_signed_in(self, method: str, path: str, *, headers: dict[str, str] | None = None, **request: Any) -> Reply:
        """`call` with the user's token, which is renewed once if it is not taken any more."""
        if not self.signed_in and not self.sign_in():
            return Reply()
        reply = self.call(method, path, headers={**self._bearer, **(headers or {})}, **request)
        if reply.status == 401 and self._keep(self.log_in(self.account)):
            reply = self.call(method, path, headers={**self._bearer, **(headers or {})}, **request)
        return reply

    def call(
        self,
        method: str,
        path: str,
        *,
        shape: Shape,
        expect: tuple[int, ...] = (200,),
        tolerate: tuple[int, ...] = (),
        name: str | None = None,
        json: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send a request, counted under its route; a success is an expected status with a body of that shape.

        A tolerated status is a success too, its body isn't looked at.
        """
        reply = Reply()
        with self.client.request(method, path, name=name, json=json, headers=headers, catch_response=True) as response:
            status = response.status_code
            reply = Reply(status)
            if status in tolerate:
                response.success()
            elif status and status not in expect:
                response.failure(f"status {status}")
            # A reply that broke off is left alone: Locust reports the connection's own error.
            elif response.request_meta["exception"] is None:
                body = parse(response.content)
                if problem := flaw(body, shape):
                    response.failure(problem)
                else:
                    reply = Reply(status, body)
        return reply

    def _keep(self, token: str | None) -> bool:
        self._bearer = {"Authorization": f"Bearer {token}"} if token else {}
        self._refusals = 0 if token else self._refusals + 1
        return bool(token)
