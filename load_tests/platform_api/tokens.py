"""Bearer tokens: a user id and an expiry, signed with HMAC-SHA256."""

import base64
import hmac
import time

from starlette.requests import Request

from load_tests.platform_api.errors import ApiError


class Tokens:
    """Issues tokens that live `ttl_seconds` and checks them without a database."""

    def __init__(self, secret: str, ttl_seconds: float) -> None:
        self._secret = secret.encode()
        self.ttl_seconds = ttl_seconds

    def issue(self, user_id: int) -> str:
        """A token `user_id.expiry.signature`, the expiry in epoch milliseconds."""
        claims = f"{user_id}.{int((time.time() + self.ttl_seconds) * 1000)}"
        return f"{claims}.{self._sign(claims)}"

    def user_id(self, request: Request) -> int:
        """The caller; ApiError 401 without a valid bearer token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise ApiError(401, "missing_token", "send the header Authorization: Bearer <access_token>")
        claims, _, signature = token.strip().rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(claims).encode()):
            raise ApiError(401, "invalid_token", "the bearer token is not valid")
        user_id, _, expiry = claims.partition(".")
        if int(expiry) <= time.time() * 1000:
            raise ApiError(401, "expired_token", "the bearer token has expired: log in again")
        return int(user_id)

    def _sign(self, claims: str) -> str:
        digest = hmac.digest(self._secret, claims.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
