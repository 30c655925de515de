"""What the commands print to stdout: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from perflab.cli.output.calibration import print_calibration
from perflab.cli.output.console import PLAIN_WIDTH, open_console, styled
from perflab.cli.output.listing import print_list
from perflab.vocabulary.text import say

if TYPE_CHECKING:
    from perflab.store.layout import Result
    from perflab.workbench.gating import Check

__all__ = ["PLAIN_WIDTH", "conclude", "print_calibration", "print_check", "print_list", "print_result"]


def print_result(result: Result, *, as_json: bool, **options: bool) -> None:
    """Print a result's tables, verdict and reasons, with the `options` of its kind; or its document as JSON."""
    from perflab.results import document_of, kind_of

    # All of it before any of it: a table that can't be read must not follow a verdict.
    document = document_of(result)
    if as_json:
        sys.stdout.write(document.to_json())
    else:
        import_module(f"perflab.cli.output.{kind_of(result).name}").show(document, open_console(), **options)


def print_check(check: Check, *, as_json: bool) -> None:
    """Print a checked sweep's verdict on its objectives, then that on the change; or both as JSON."""
    document = check.document
    if as_json:
        sys.stdout.write(document.to_json())
        return
    print_result(check.sweep, as_json=False)
    if check.comparison is None or document.comparison is None:
        return
    print_result(check.comparison, as_json=False)
    said = f"objectives: {document.sweep.verdict}, against the baseline: {document.comparison.verdict}"
    open_console().print(f"{styled(document.verdict)}  {said}")


def conclude(result: Result, *, report: bool, as_json: bool) -> int:
    """Print a result, save it, and say where its report lies; return the exit code."""
    from perflab.results import document_of
    from perflab.workbench.saving import save

    # The verdict first: a report that can't be written must not hide it, nor change the exit code.
    print_result(result, as_json=as_json)
    if (page := save(result, report=report)) is not None:
        say(f"report: {page}", sys.stderr if as_json else sys.stdout)
    code: int = document_of(result).exit_code
    return code
