"""Registration, login and the health check."""

from typing import Annotated

import asyncpg
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from load_tests.platform_api.errors import ApiError
from load_tests.platform_api.passwords import PasswordHasher
from load_tests.platform_api.tokens import Tokens
from load_tests.platform_api.web import Body, Text, json_answer, read_body

_Email = Annotated[
    Text,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s.]+$"),
]


class _Registration(Body):
    email: _Email
    password: str = Field(min_length=8, max_length=256)
    name: Text = Field(min_length=1, max_length=200)


class _Credentials(Body):
    email: _Email
    password: str = Field(min_length=1, max_length=256)


class AuthEndpoints:
    """/health and /api/v1/auth/*."""

    def __init__(self, pool: asyncpg.Pool, hasher: PasswordHasher, tokens: Tokens) -> None:
        self._pool = pool
        self._hasher = hasher
        self._tokens = tokens

    def routes(self) -> list[Route]:
        """The routes of this group."""
        return [
            Route("/health", self.health),
            Route("/api/v1/auth/register", self.register, methods=["POST"]),
            Route("/api/v1/auth/login", self.login, methods=["POST"]),
        ]

    async def health(self, _: Request) -> Response:
        """200 when the pool gives a connection that answers."""
        await self._pool.fetchval("SELECT 1")
        return json_answer({"status": "ok"})

    async def register(self, request: Request) -> Response:
        """201 with a token; 409 when the e-mail is taken."""
        body = await read_body(request, _Registration)
        user_id = await self._pool.fetchval(
            "INSERT INTO platform_api.users (email, name, password_hash) VALUES ($1, $2, $3)"
            " ON CONFLICT (email) DO NOTHING RETURNING id",
            body.email,
            body.name,
            await self._hasher.hash(body.password),
        )
        if user_id is None:
            raise ApiError(409, "email_taken", "a user with this e-mail exists already")
        answer = {"user_id": user_id, "email": body.email, "access_token": self._tokens.issue(user_id)}
        return json_answer(answer | {"token_type": "bearer"}, 201)

    async def login(self, request: Request) -> Response:
        """200 with a token; 401 alike for an unknown e-mail and a wrong password."""
        body = await read_body(request, _Credentials)
        user = await self._pool.fetchrow(
            "SELECT id, password_hash FROM platform_api.users WHERE email = $1", body.email
        )
        if not await self._hasher.verify(body.password, user["password_hash"] if user else None):
            raise ApiError(401, "invalid_credentials", "e-mail or password is wrong")
        return json_answer(
            {
                "user_id": user["id"],
                "access_token": self._tokens.issue(user["id"]),
                "token_type": "bearer",
                "expires_in": int(self._tokens.ttl_seconds),
            }
        )
