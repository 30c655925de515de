"""JSON in and out: request bodies, paging parameters, answers and error answers."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from load_tests.platform_api.errors import ApiError

MAX_ID = 2**63 - 1  # PostgreSQL's bigint
MAX_BODY_BYTES = 1024 * 1024  # what a client sends is kept in memory

_Body = TypeVar("_Body", bound="Body")


class Body(BaseModel):
    """A JSON request body; unknown members are ignored."""

    model_config = ConfigDict(frozen=True)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")  # PostgreSQL's text can't hold one
    return text


Text = Annotated[str, AfterValidator(_without_nul)]


class Page(BaseModel):
    """Keyset paging: at most `limit` rows with an id below `before`, newest first."""

    limit: int = Field(20, ge=1, le=100)
    before: int = Field(MAX_ID, ge=1, le=MAX_ID)


def _invalid(error: ValidationError) -> ApiError:
    # The input stays out of the message: it may be a password.
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return ApiError(400, "invalid_json", first["msg"])
    place = ".".join(str(part) for part in first["loc"]) or "body"
    return ApiError(422, "validation_failed", f"{place}: {first['msg']}")


async def read_body(request: Request, model: type[_Body]) -> _Body:
    """The request's body as `model`; ApiError 400 when it is not JSON, 413 when it is too large, 422 when it does not
    fit."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(413, "body_too_large", f"a body has at most {MAX_BODY_BYTES} bytes")
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        raise _invalid(error) from None


def read_page(request: Request) -> Page:
    """The paging parameters of a listing; ApiError 422."""
    try:
        return Page.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise _invalid(error) from None


def page_json(rows: list[Any], limit: int) -> bytes:
    """A listing from up to `limit` + 1 rows: the one too many only tells that there is a next page."""
    items = [dict(row) for row in rows[:limit]]
    return to_json({"items": items, "next": items[-1]["id"] if len(rows) > limit else None})


def json_answer(content: dict[str, Any] | bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`content` as JSON, times in ISO 8601; bytes are JSON already."""
    body = content if isinstance(content, bytes) else to_json(content)
    return Response(body, status, headers, media_type="application/json")


def error_answer(error: ApiError) -> Response:
    """The one shape of every error answer."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return json_answer({"error": {"code": error.code, "message": error.message}}, error.status, headers)


async def on_api_error(_: Request, error: Exception) -> Response:
    """Answer an ApiError."""
    assert isinstance(error, ApiError)  # noqa: S101 - registered for this class alone
    return error_answer(error)


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses, such as an unknown path."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    code = error.detail.lower().replace(" ", "_")
    answer = error_answer(ApiError(error.status_code, code, error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def on_database_lost(_: Request, __: Exception) -> Response:
    """Answer 503 while PostgreSQL is gone or does not answer."""
    return error_answer(ApiError(503, "database_unavailable", "the database does not answer"))


async def on_user_gone(_: Request, __: Exception) -> Response:
    """Answer 401 to a token that is valid but whose user was deleted."""
    return error_answer(ApiError(401, "invalid_token", "the token's user does not exist any more"))


async def on_internal_error(_: Request, __: Exception) -> Response:
    """Answer 500; the server logs the traceback."""
    return error_answer(ApiError(500, "internal_error", "internal error"))
