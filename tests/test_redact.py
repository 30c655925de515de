from __future__ import annotations

import pytest

from perflab.redact import redact


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2",
        "authorization=Basic hunter2",
        "sent bearer hunter2 to /a",
        "postgresql://user:hunter2@db/x",
        "serve --db-password hunter2 --port 1",
        "serve --api-key=hunter2",
        "password: 'hunter2'",
        '{"access_token": "hunter2"}',
        "GET /a?x=hunter2&y=1 failed",
        "Set-Cookie: hunter2; Path=/",
        "X-API_KEY: hunter2",
        "Authorization: Token hunter2",
        "Cookie: theme=dark; session=hunter2",
        "serve --password='two hunter2'",
        "serve --password 'two hunter2' --port 1",
        "postgresql://user:p@hunter2@db/x",
        r'{"body": "{\"token\": \"hunter2\"}"}',
        "DB_PASS=hunter2 serve",
        "PGPWD=hunter2",
        "refused eyJhbGciOiJub25lIn0.hunter2.",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    assert "hunter2" not in redact(text)


@pytest.mark.parametrize("text", ["token expired", "503 Service Unavailable", "http://h:1/a/b", "status 401"])
def test_other_texts_stay(text: str) -> None:
    assert redact(text) == text
