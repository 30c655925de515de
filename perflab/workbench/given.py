"""Values as notebooks and papermill give them: a text that looks like a number is one, and a list may be a text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def text(value: object) -> str | None:
    """Return what stands for a text, an id or a path; papermill makes 2026 of ``-p sweep_id 2026``."""
    return None if value is None else str(value)


def path(value: object) -> Path | None:
    """Return what stands for a path."""
    return None if value is None else Path(str(value))


def names(value: object) -> list[str]:
    """Return names from a list, or from a text: ``machine``, ``machine,mix``, ``["machine", "mix"]``."""
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [str(name) for name in value]
    parts = (part.strip().strip("'\"") for part in str(value).strip().strip("[]()").split(","))
    return [part for part in parts if part]
