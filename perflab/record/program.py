"""Locust's own program as perflab starts it: ``run`` or ``check``, then Locust's options, the first one ``-f FILE``.

Plain ``locust`` also takes options from configuration files and splits the path of a locustfile at commas. It puts the
working folder and the locustfile's at the front of ``sys.path`` and leaves them there, so everything that is needed is
imported before.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import sysconfig
import traceback
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import locust.main
from locust import argument_parser
from locust.user.task import filter_tasks_by_tags

from perflab.record import recorder
from perflab.store.recorder_protocol import PREFLIGHT_MARK, Preflight

_program: Any = locust.main
_RECORDER = str(Path(__file__).with_name("perflab_recorder.py"))
# Locust's options that may follow perflab's own. All others would change the plan, or how it is measured.
_ALLOWED = {"tags", "exclude_tags", "user_classes"}
_NOT_THE_LOCUSTFILES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).resolve().parents[1]),
    "<",
)


def main(task: str, options: list[str]) -> None:
    """Run Locust with `options` and perflab's recorder, or check whether it could be run."""
    if os.environ.get(recorder.PORT_VARIABLE):
        from perflab.record import exporter  # noqa: F401
    argument_parser.get_empty_argument_parser = partial(
        argument_parser.get_empty_argument_parser, default_config_files=()
    )
    _program.get_parser = partial(argument_parser.get_parser, default_config_files=())
    sys.argv = ["locust", *options]
    if task == "check":
        _check()
    else:
        # The recorder comes last, so that it finds the locustfile's own listeners and users.
        _program.get_locustfiles_locally = lambda options: [options.locustfile, _RECORDER]
        # If no file has users, Locust looks for pytest's tests in all of them.
        load_tests = _program.load_locustfile_pytest
        _program.load_locustfile_pytest = lambda path: {} if path == _RECORDER else load_tests(path)
        _program.main()


def _check() -> None:
    """Print, as JSON behind its mark, a `Preflight` of the ``-f FILE`` and the additional options in ``sys.argv``.

    This is done inside Locust, because only Locust knows which classes of a locustfile are users, and which options
    there are: a locustfile may add its own. The locustfile is imported, but no user is started.
    """
    # The locustfile may close or replace stdout.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        preflight = _preflight()
        out.write(f"\n{PREFLIGHT_MARK}{json.dumps(asdict(preflight))}\n")


def _preflight() -> Preflight:
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
    """One of the additional options can't be used; the text says why."""


class _Parser(argument_parser.LocustArgumentParser):
    """Raises what Locust's own parser would print and exit with."""

    def error(self, message: str) -> NoReturn:
        text = message.splitlines()[0]
        # An option may be Locust's, or one that the locustfile adds: perflab can't know beforehand which there are.
        unknown = text.removeprefix("unrecognized arguments: ")
        raise _WrongOptionError(
            text if unknown == text else f"neither Locust nor the locustfile has an option {unknown.split()[0]}"
        )


def _options(words: list[str]) -> dict[str, Any]:
    """Return the values of Locust's own options in `words` by name; raises _WrongOptionError for a forbidden one."""
    parser, plain = _program.get_parser(), argument_parser.get_empty_argument_parser()
    argument_parser.setup_parser_arguments(plain)
    own = {action.dest: action for action in plain._actions}
    for action in parser._actions:
        if action.dest in own:
            # So that only the options that are given remain.
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
    """Return an error of the locustfile with the file and line that raised it."""
    kind, text = type(error).__name__, str(error)
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        text = error.msg
        places.append((error.filename, error.lineno))
    at = next((place for place in reversed(places) if not place[0].startswith(_NOT_THE_LOCUSTFILES)), None)
    if at is None:
        return f"{kind}: {text}"
    file = Path(at[0])
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{kind}: {text} ({shown}, line {at[1]})"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
