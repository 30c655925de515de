"""The ``LOAD_TEST_*`` variables that perflab knows, which of them can't be used, and which nobody seems to know."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from perflab.errors import UsageError
from perflab.files import read_bytes
from perflab.plan import hosts
from perflab.plan.objectives import Objectives
from perflab.plan.options import Option, bound
from perflab.plan.parse import parse_port, parse_text
from perflab.plan.plan import LEVEL_ENDS, OPTIONS, levels_between

PREFIX = "LOAD_TEST_"
SETTINGS = bound(
    allowed_hosts=Option("NAME,...", "Hosts besides this machine that may be loaded.", parse_text, hosts.VARIABLE),
    runs_dir=Option("DIR", "Where sweeps are recorded.", parse_text, "LOAD_TEST_RUNS_DIR", default="runs"),
    report_dir=Option(
        "DIR", "Where a suite puts its reports.", parse_text, "LOAD_TEST_REPORT_DIR", default="load_test_reports"
    ),
    database_url=Option("URL", "The database that a suite seeds.", parse_text, "LOAD_TEST_DATABASE_URL"),
    prometheus_port=Option("PORT", "Where Prometheus can ask.", parse_port, "LOAD_TEST_PROMETHEUS_PORT"),
    prometheus_host=Option(
        "ADDRESS", "The address of that port.", parse_text, "LOAD_TEST_PROMETHEUS_HOST", default="127.0.0.1"
    ),
    run_id=Option("ID", "Set for the locustfile by each run.", parse_text, "LOAD_TEST_RUN_ID"),
)
"""The variables that are no options of a plan. Paths in them start in the project's folder."""
_OPTIONS = (*OPTIONS.values(), *LEVEL_ENDS.values(), *SETTINGS.values())
KNOWN = frozenset(option.variable for option in _OPTIONS if option.variable is not None)
# A locustfile's folder may be anything; its settings are not in the thousandth file.
_MAX_FOLDERS, _MAX_FILES, _MAX_BYTES = 500, 500, 1_000_000
_FOREIGN = frozenset({"venv", "env", "site-packages", "node_modules", "runs"})
# DURATION is close to DURATION_SECONDS, and USER very close to USERS.
_CLOSE, _VERY_CLOSE = 0.65, 0.8
_NAME = re.compile(rf"{PREFIX}\w*")


def wrong_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong with each of perflab's variables that can't be used, by its name.

    Each is read alone, so that the first mistake hides no other. Whether load may go to a host, and whether a
    locustfile can be read, is not looked at.
    """
    wrong: dict[str, str] = {}
    for option in _OPTIONS:
        try:
            option.read({}, environment)
        except UsageError as error:
            wrong[str(option.variable)] = str(error)
    ends = {str(end.variable) for end in LEVEL_ENDS.values()} & environment.keys()
    if not ends & wrong.keys():
        try:
            levels_between(environment)
        except UsageError as error:
            # Neither is wrong alone.
            wrong |= dict.fromkeys(sorted(ends), str(error))
    return wrong


def unknown_variables(
    names: Iterable[str], folders: Iterable[Path], objectives: Objectives | None = None
) -> dict[str, str]:
    """Return the ``LOAD_TEST_*`` names of `names` that nobody knows, with the name that may be meant, or "".

    Known are perflab's own, those of `objectives`, and those that a Python file in one of `folders` or below names.
    Where such a file has the bare prefix, names may be put together from it; only what is very close to one
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
    ends = [variable.removeprefix(PREFIX) for variable in known if variable.startswith(PREFIX)]
    matches = difflib.get_close_matches(name.removeprefix(PREFIX), sorted(ends), 1, cutoff)
    return PREFIX + matches[0] if matches else ""


def _named_in(folder: Path) -> set[str]:
    names: set[str] = set()
    for file in islice(_python_files(folder), _MAX_FILES):
        with contextlib.suppress(OSError):
            names.update(_NAME.findall(read_bytes(file, _MAX_BYTES).decode("utf-8", "replace")))
    return names


def _python_files(folder: Path) -> Iterator[Path]:
    for at, (place, folders, files) in enumerate(os.walk(folder)):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")) and name not in _FOREIGN)
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".py"))
        if at >= _MAX_FOLDERS:
            return


def say_unknown(unknown: Mapping[str, str], where: Mapping[str, str] | None = None) -> str:
    """Return unknown variables on one line, each with its place in `where` and the name that may be meant."""
    parts = []
    for name, close in unknown.items():
        place = f" in {where[name]}" if where and name in where else ""
        parts.append(f"{name}{place}" + (f" (is {close} meant?)" if close else ""))
    return f"no such variable is known: {', '.join(parts)}"
