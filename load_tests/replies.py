"""What a reply of the API must look like, told apart in a few constant words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import UnionType
from typing import Any

# Each field of a reply with its type, or with the very value that it must have.
Shape = Mapping[str, Any]

ID = str | int


def parse(content: bytes | None) -> dict[str, Any] | None:
    """The JSON object in a body, None if there is none."""
    # Straight from the bytes: Locust's own json() guesses the encoding first, which costs more than parsing.
    try:
        body = json.loads(content or b"")
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def flaw(body: dict[str, Any] | None, shape: Shape) -> str | None:
    """What is wrong with a body, None if it fits; names fields, never values, so that failures group."""
    if body is None:
        return "not a JSON object"
    for name, expected in shape.items():
        if name not in body:
            return f"{name} missing"
        if isinstance(expected, type | UnionType):
            if not isinstance(body[name], expected):
                return f"{name} of wrong type"
        elif body[name] != expected:
            return f"{name} of wrong value"
    return None
