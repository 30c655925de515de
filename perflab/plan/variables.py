"""The ``LOAD_TEST_*`` variables that perflab knows, and those that nobody seems to know: a slip of the finger."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from perflab.files import read_bytes
from perflab.plan.objectives import Objectives

PREFIX = "LOAD_TEST_"
KNOWN = frozenset(
    PREFIX + name
    for name in (
        *("HOST", "LAUNCH", "HEALTH", "ALLOWED_HOSTS", "LOCUSTFILE", "LOCUST_OPTIONS", "TIMEOUT", "RUNS_DIR"),
        *("USERS", "USERS_MIN", "USERS_MAX", "SPAWN_RATE", "DURATION_SECONDS", "SETTLE_SECONDS", "REPEATS", "SEED"),
        *("PROCESSES", "EXPECT_WORKERS", "MASTER_BIND", "PROMETHEUS_PORT", "PROMETHEUS_HOST"),
        # For the doctor, and set for the locustfile by each run.
        *("DATABASE_URL", "REPORT_DIR", "RUN_ID"),
    )
)
# A locustfile's folder may be anything; its settings are not in the thousandth file.
_MOST_FOLDERS, _MOST_FILES, _MOST_BYTES = 500, 500, 1_000_000
_FOREIGN = frozenset({"venv", "env", "site-packages", "node_modules", "runs"})
# DURATION is close to DURATION_SECONDS, and USER very close to USERS.
_CLOSE, _VERY_CLOSE = 0.65, 0.8
_NAME = re.compile(rf"{PREFIX}\w*")


def unknown_variables(
    names: Iterable[str], folders: Iterable[Path], objectives: Objectives | None = None
) -> dict[str, str]:
    """Return the ``LOAD_TEST_*`` names of `names` that nobody knows, with the name that may be meant, or "".

    Known are perflab's own, those of `objectives`, and those that stand in a Python file in one of `folders` or
    below. Where such a file has the bare prefix, names may be put together from it; only what is very close to one
    of perflab's is unknown then.
    """
    limits = objectives.limits if objectives is not None else ()
    known = KNOWN | {limit.variable for limit in limits if limit.variable}
    strangers = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    if not strangers:
        return {}
    named = {name for folder in dict.fromkeys(folders) for name in _named_in(folder)}
    unknown = {name: _close(name, known, _CLOSE) for name in strangers if name not in named}
    if PREFIX in named:
        return {name: close for name, close in unknown.items() if _close(name, known, _VERY_CLOSE)}
    return unknown


def _close(name: str, known: Iterable[str], cutoff: float) -> str:
    ends = [one.removeprefix(PREFIX) for one in known if one.startswith(PREFIX)]
    found = difflib.get_close_matches(name.removeprefix(PREFIX), sorted(ends), 1, cutoff)
    return PREFIX + found[0] if found else ""


def _named_in(folder: Path) -> set[str]:
    found: set[str] = set()
    for file in islice(_python_files(folder), _MOST_FILES):
        with contextlib.suppress(OSError):
            found.update(_NAME.findall(read_bytes(file, _MOST_BYTES).decode("utf-8", "replace")))
    return found


def _python_files(folder: Path) -> Iterator[Path]:
    for at, (place, folders, files) in enumerate(os.walk(folder)):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")) and name not in _FOREIGN)
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".py"))
        if at >= _MOST_FOLDERS:
            return


def say_unknown(unknown: Mapping[str, str], where: Mapping[str, str] | None = None) -> str:
    """Return unknown variables on one line, each with its place in `where` and the name that may be meant."""
    parts = []
    for name, close in unknown.items():
        place = f" in {where[name]}" if where and name in where else ""
        parts.append(f"{name}{place}" + (f" (is {close} meant?)" if close else ""))
    return f"no such variable is known: {', '.join(parts)}"
