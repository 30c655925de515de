"""What comes with perflab for a new project: a locustfile, objectives, settings, and the notebooks."""

from __future__ import annotations

from pathlib import Path

STARTER = Path(__file__).parent
_PACKAGE = STARTER.parent


def find_notebooks() -> Path:
    """Return the folder of perflab's notebooks: beside the package in a checkout, in it where a wheel was installed."""
    checkout = _PACKAGE.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else _PACKAGE) / "notebooks"
