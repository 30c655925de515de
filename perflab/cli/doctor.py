"""``perflab doctor``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from json import dumps
from typing import Annotated, Any

import typer

import perflab
from perflab.cli import options
from perflab.plan.plan import OPTIONS
from perflab.readiness.finding import Finding, worst

PROBLEM = 2
_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}

Output = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Where reports go. Default: LOAD_TEST_REPORT_DIR, or load_test_reports."),
]
DOCTOR = [OPTIONS[name] for name in ("host", "launch", "health", "users", "locustfile")]


@options.flags(DOCTOR)
def doctor(
    context: typer.Context,
    *,
    runs_dir: options.RunsDir = None,
    output: Output = None,
    allow_host: options.AllowHost = None,
    json: options.AsJson = False,
    **given: Any,
) -> int:
    """Check whether everything is ready for a load test, and say what to do where it isn't.

    What follows -- is what Locust will get, as for perflab sweep.
    """
    findings = perflab.doctor(
        locust_options=context.obj, runs_dir=runs_dir, report_dir=output, allow_hosts=allow_host or (), **given
    )
    if json:
        _print_json(findings)
    else:
        _print_table(findings)
    return PROBLEM if worst(findings) == "problem" else 0


def _print_json(findings: list[Finding]) -> None:
    result = {"result": worst(findings), "checks": [asdict(finding) for finding in findings]}
    sys.stdout.write(dumps(result, indent=2) + "\n")


def _print_table(findings: list[Finding]) -> None:
    from rich.markup import escape

    from perflab.cli.output.console import make_table, open_console

    console = open_console()
    table = make_table("check", "result", "found", "what to do", numbers=())
    for finding in findings:
        result = f"[{_STYLES[finding.result]}]{finding.result}[/]"
        table.add_row(escape(finding.check), result, escape(finding.found), escape(finding.advice))
    console.print(table)
    counts = {result: sum(finding.result == result for finding in findings) for result in ("problem", "warning")}
    console.print(", ".join(f"{count} {result}{'s' * (count != 1)}" for result, count in counts.items()))
