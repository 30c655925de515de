"""Can Locust make load with this locustfile and these options? The locustfile is imported, and no user is started.

Inside Locust, because only Locust knows which of a locustfile's classes it takes for users, and which options there
are: a locustfile may add its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import sysconfig
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import locust.main
from locust import argument_parser
from locust.user.task import filter_tasks_by_tags

from perflab.store.handover import PREFLIGHT_MARK, Preflight

_program: Any = locust.main

# What may follow after perflab's own options. All others of Locust's would change the plan, or who measures it.
_ALLOWED = {"tags", "exclude_tags", "user_classes"}
_NOT_THE_LOCUSTFILES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).resolve().parents[1]),
    "<",
)


def main() -> None:
    """Check the ``-f FILE`` and the further options in ``sys.argv``; print a `Preflight` as JSON behind its mark."""
    # The locustfile may close or replace its own.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        found = _check()
        out.write(f"\n{PREFLIGHT_MARK}{json.dumps(asdict(found))}\n")


def _check() -> Preflight:
    try:
        users, _, _, shape = _program.merge_locustfiles_content([sys.argv[2]])
    except Exception as error:
        return Preflight(error=_described(error))
    if shape is not None:
        name = type(shape).__name__
        return Preflight(
            error=f"{name} is a LoadTestShape, which would override the planned users: set abstract = True in it"
        )
    try:
        options = _options(sys.argv[3:])
        chosen = options.get("user_classes") or [*users]
        if strangers := [name for name in chosen if name not in users]:
            raise _WrongOptionError(f"no user class {strangers[0]!r}: there are {', '.join(users) or 'none'}")
        _check_tags({name: users[name] for name in chosen}, options)
    except _WrongOptionError as error:
        return Preflight(wrong_option=str(error))
    return Preflight({name: {"weight": users[name].weight, "fixed_count": users[name].fixed_count} for name in chosen})


class _WrongOptionError(Exception):
    """One of the further options can't be used; its text says why."""


class _Parser(argument_parser.LocustArgumentParser):
    """Raises what the parser that it stands for would print and exit with."""

    def error(self, message: str) -> NoReturn:
        text = message.splitlines()[0]
        # An option may be Locust's, or one that a locustfile adds: what there is, perflab can't tell beforehand.
        unknown = text.removeprefix("unrecognized arguments: ")
        raise _WrongOptionError(
            text if unknown == text else f"neither Locust nor the locustfile has an option {unknown.split()[0]}"
        )


def _options(words: list[str]) -> dict[str, Any]:
    """Return what `words` set of Locust's own options, by name; raises _WrongOptionError where they may not."""
    parser, plain = _program.get_parser(), argument_parser.get_empty_argument_parser()
    argument_parser.setup_parser_arguments(plain)
    own = {action.dest: action for action in plain._actions}
    for action in parser._actions:
        if action.dest in own:
            # So that what is left are the options that are given.
            action.default = argparse.SUPPRESS
    parser.__class__ = _Parser
    try:
        given = vars(parser.parse_args(words))
    except SystemExit:
        raise _WrongOptionError("--help and --version start no load") from None
    for name in given.keys() & own.keys() - _ALLOWED:
        raise _WrongOptionError(
            f"{own[name].option_strings[-1]} is perflab's to set; what may follow -- is --tags, --exclude-tags, "
            "user classes and the locustfile's own options"
        )
    return {name: value for name, value in given.items() if name in own}


def _check_tags(users: dict[str, Any], options: dict[str, Any]) -> None:
    tags, excluded = (set(words) if (words := options.get(name)) else None for name in ("tags", "exclude_tags"))
    for name, user in users.items():
        if not user.tasks or (tags is None and excluded is None):
            continue
        filter_tasks_by_tags(user, tags, excluded)
        if not user.tasks:
            raise _WrongOptionError(f"the tags leave {name} no task: name the user classes that have one, too")


def _described(error: Exception) -> str:
    """Return an error of the locustfile with the file and the line in which it arose, as seen from here."""
    kind, text = type(error).__name__, str(error)
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        text = error.msg
        places.append((error.filename, error.lineno))
    place = next((one for one in reversed(places) if not one[0].startswith(_NOT_THE_LOCUSTFILES)), None)
    if place is None:
        return f"{kind}: {text}"
    file = Path(place[0])
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{kind}: {text} ({shown}, line {place[1]})"
