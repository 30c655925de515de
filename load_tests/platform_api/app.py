"""The application: routes, error answers and faults put together."""

from typing import TYPE_CHECKING

import asyncpg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from load_tests.platform_api import web
from load_tests.platform_api.auth import AuthEndpoints
from load_tests.platform_api.errors import ApiError
from load_tests.platform_api.faults import FaultMiddleware, faults
from load_tests.platform_api.generation import GenerationEndpoints
from load_tests.platform_api.passwords import PasswordHasher
from load_tests.platform_api.payments import PaymentEndpoints
from load_tests.platform_api.settings import Settings
from load_tests.platform_api.tokens import Tokens

if TYPE_CHECKING:
    from load_tests.platform_api.cache import ListingCache


def create_app(
    settings: Settings, pool: asyncpg.Pool, hasher: PasswordHasher, cache: "ListingCache | None" = None
) -> ASGIApp:
    """The Platform API on an open pool, its generation listings cached if there is a cache."""
    tokens = Tokens(settings.token_secret.get_secret_value(), settings.token_ttl_seconds)
    app = Starlette(
        routes=[
            *AuthEndpoints(pool, hasher, tokens).routes(),
            *GenerationEndpoints(pool, tokens, settings.queued_ms, cache).routes(),
            *PaymentEndpoints(pool, tokens).routes(),
        ],
        exception_handlers={
            ApiError: web.on_api_error,
            HTTPException: web.on_http_error,
            asyncpg.ForeignKeyViolationError: web.on_user_gone,
            asyncpg.PostgresConnectionError: web.on_database_lost,
            asyncpg.OperatorInterventionError: web.on_database_lost,
            asyncpg.InterfaceError: web.on_database_lost,
            OSError: web.on_database_lost,
            Exception: web.on_internal_error,
        },
    )
    app.router.redirect_slashes = False
    by_group = faults(settings)
    return FaultMiddleware(app, by_group) if by_group else app
