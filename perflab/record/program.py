"""Locust's own program as perflab starts it: ``run`` or ``check``, then Locust's options, the first one ``-f FILE``.

Plain ``locust`` takes options from configuration files too, splits the path of a locustfile at commas, and fills in
braces in the path of its report. It also puts the working folder and the locustfile's in front of ``sys.path``, where
they stay; so all that is needed is imported before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import locust.main
from locust import argument_parser

from perflab.record import preflight, recorder

_RECORDER = Path(__file__).with_name("perflab_recorder.py")


def main(task: str, options: list[str]) -> None:
    """Run Locust with `options` and perflab's recorder, or check whether it could be run."""
    if os.environ.get(recorder.PORT_VARIABLE):
        from perflab.record import exporter  # noqa: F401
    program: Any = locust.main
    argument_parser.get_empty_argument_parser = partial(
        argument_parser.get_empty_argument_parser, default_config_files=()
    )
    program.get_parser = partial(argument_parser.get_parser, default_config_files=())
    program.process_html_filename = _leave_alone
    sys.argv = ["locust", *options]
    if task == "check":
        preflight.main()
    else:
        # The recorder comes last, so that it finds the locustfile's own listeners and users.
        program.get_locustfiles_locally = _with_recorder
        # Where no file has users, Locust looks in all of them for tests of pytest's.
        program.load_locustfile_pytest = _with_tests(program.load_locustfile_pytest)
        program.main()


def _leave_alone(_: Any) -> None:
    """Locust fills in {u}, {r} and {t} in the path of its report, which may be part of a folder's name."""


def _with_recorder(options: Any) -> list[str]:
    return [options.locustfile, str(_RECORDER)]


def _with_tests(load: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    return lambda path: {} if path == str(_RECORDER) else load(path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
