from __future__ import annotations

import pytest

from load_tests.replies import ID, Shape, flaw, parse


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b'"text"', b"\xff\xfe", b"<html>"])
def test_what_is_no_json_object_is_none(content: bytes | None) -> None:
    assert parse(content) is None
    assert flaw(parse(content), {}) == "not a JSON object"


@pytest.mark.parametrize(
    ("body", "shape", "expected"),
    [
        (b'{"id": 7, "status": "queued"}', {"id": ID, "status": str}, None),
        (b'{"id": "7", "more": 1}', {"id": ID}, None),
        (b'{"next": null}', {"next": ID | None}, None),
        (b"{}", {"next": ID | None}, "next missing"),
        (b'{"id": null}', {"id": ID}, "id of wrong type"),
        (b'{"items": {}}', {"items": list}, "items of wrong type"),
        (b'{"status": "down"}', {"status": "ok"}, "status of wrong value"),
        (b'{"id": 8}', {"id": 7}, "id of wrong value"),
    ],
)
def test_flaw(body: bytes, shape: Shape, expected: str | None) -> None:
    assert flaw(parse(body), shape) == expected
