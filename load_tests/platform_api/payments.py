"""Payments, made once per Idempotency-Key however often they are sent."""

from typing import Annotated

import asyncpg
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from load_tests.platform_api.errors import ApiError
from load_tests.platform_api.tokens import Tokens
from load_tests.platform_api.web import Body, Text, json_answer, page_json, read_body, read_page

_COLUMNS = "id, status, amount_cents, currency, description, created_at"
_CREATE = f"""
INSERT INTO platform_api.payments (user_id, idempotency_key, amount_cents, currency, description)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, idempotency_key) DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608
_BY_KEY = f"SELECT {_COLUMNS} FROM platform_api.payments WHERE user_id = $1 AND idempotency_key = $2"  # noqa: S608
_PAGE = f"""
SELECT {_COLUMNS} FROM platform_api.payments WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3
"""  # noqa: S608
_KEY_MAX_CHARS = 255


class _Payment(Body):
    amount_cents: int = Field(ge=1, le=10**12)
    currency: Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z]{3}$")]
    description: Text = Field("", max_length=500)


def _idempotency_key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "").strip()
    if not 1 <= len(key) <= _KEY_MAX_CHARS:
        raise ApiError(
            422,
            "idempotency_key_required",
            f"send an Idempotency-Key header of 1 to {_KEY_MAX_CHARS} characters",
        )
    return key


class PaymentEndpoints:
    """/api/v1/payments and /api/v1/payments/create."""

    def __init__(self, pool: asyncpg.Pool, tokens: Tokens) -> None:
        self._pool = pool
        self._tokens = tokens

    def routes(self) -> list[Route]:
        """The routes of this group."""
        return [
            Route("/api/v1/payments/create", self.create, methods=["POST"]),
            Route("/api/v1/payments", self.list),
        ]

    async def create(self, request: Request) -> Response:
        """201 with the payment; the same key again: 200 with the same payment, 409 when the body differs."""
        user_id = self._tokens.user_id(request)
        key = _idempotency_key(request)
        body = await read_body(request, _Payment)
        values = (body.amount_cents, body.currency, body.description)
        payment = await self._pool.fetchrow(
            _CREATE,
            user_id,
            key,
            *values,
        )
        if payment is not None:
            return json_answer(dict(payment), 201)
        # The conflict waited for the other request's commit, so its row is visible by now.
        payment = await self._pool.fetchrow(
            _BY_KEY,
            user_id,
            key,
        )
        if payment is None or values != (
            payment["amount_cents"],
            payment["currency"],
            payment["description"],
        ):
            raise ApiError(409, "idempotency_conflict", "this Idempotency-Key was used for another payment")
        return json_answer(dict(payment))

    async def list(self, request: Request) -> Response:
        """200 with one page of the caller's payments."""
        user_id = self._tokens.user_id(request)
        page = read_page(request)
        rows = await self._pool.fetch(
            _PAGE,
            user_id,
            page.before,
            page.limit + 1,
        )
        return json_answer(page_json(rows, page.limit))
