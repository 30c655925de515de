"""Where values come from when an option is not given: environment variables and the two env files."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from perflab.errors import UsageError
from perflab.files import read_text

ENV_FILES = (".env.load-testing", ".env.load-testing.local")
ROOT_MARKS = (*ENV_FILES, "pyproject.toml", ".git")


def project_root(start: Path | None = None) -> Path:
    """Return the nearest folder at or above `start` that looks like a project, else `start` itself.

    Notebooks run in their own folder and the command line at the root: both mean the same ``runs/``.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if any((folder / mark).exists() for mark in ROOT_MARKS):
            return folder
    return here


def env_file(path: Path) -> dict[str, str | None]:
    """Return what an env file sets, nothing if there is none; raises UsageError if it can't be read."""
    try:
        return dotenv_values(stream=io.StringIO(read_text(path)))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(path)!r} can't be read: {error}", value=path) from None


def load_environment(root: Path | None = None, process: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables in force: the process's own, over ``.env.load-testing.local``, over ``.env.load-testing``.

    Empty values count as not set, so that ``NAME=`` in a file switches a variable off.
    """
    root = root or project_root()
    merged: dict[str, str | None] = {}
    for name in ENV_FILES:
        merged |= env_file(root / name)
    merged |= os.environ if process is None else process
    return {name: value for name, value in merged.items() if value}
