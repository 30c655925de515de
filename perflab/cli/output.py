"""What the commands print to stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perflab.store.manifest import EXIT_CODES

if TYPE_CHECKING:
    import pandas as pd

    from perflab.analyse.sweep import Sweep
    from perflab.store.calibration import Calibration
    from perflab.store.manifest import Verdict

STYLES = {"PASS": "green", "FAIL": "bold red", "INVALID": "bold magenta", "INCONCLUSIVE": "yellow"}
PLAIN_WIDTH = 140
# Locust's master and perflab itself are among a calibration's other processes, too.
QUIET_CORES = 0.4


def exit_code(verdict: Verdict) -> int:
    """Return the exit code that says a verdict."""
    return EXIT_CODES[verdict]


def print_result(sweep: Sweep, *, as_json: bool) -> None:
    """Print a sweep's verdict table and reasons, or its figures as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(sweep.to_dict(), indent=2) + "\n")
        return
    console = _console()
    table = _table("users", "group", "objective", "measured", "95 % bounds", "limit", "requests", "verdict")
    for row in sweep.verdicts.itertuples():
        table.add_row(
            str(row.users),
            escape(str(row.group)),
            _objective(row),
            _figure(row.objective, row.measured),
            f"{_figure(row.objective, row.low)} to {_figure(row.objective, row.high)}",
            ("≥ " if row.bound == "at_least" else "≤ ") + _figure(row.objective, row.limit),
            f"{row.samples:,}".replace(",", " "),
            f"[{STYLES[str(row.verdict)]}]{row.verdict}[/]",
        )
    if table.row_count:
        console.print(table)
    console.print(f"[{STYLES[sweep.verdict]}]{sweep.verdict}[/]  {escape(sweep.id)}")
    for reason in [*sweep.reasons, *(f"note: {note}" for note in sweep.notes)]:
        console.print(f"  {escape(reason)}", soft_wrap=True)


def print_report(path: Path, *, as_json: bool) -> None:
    """Print where the report lies; with JSON on stdout, to stderr."""
    (sys.stderr if as_json else sys.stdout).write(f"report: {path}\n")


def print_list(sweeps: pd.DataFrame, *, as_json: bool) -> None:
    """Print a row a sweep."""
    if as_json:
        sys.stdout.write(sweeps.to_json(orient="records", date_format="iso", indent=2) + "\n")
        return
    table = _table("id", "users", "runs", "status", "verdict", "target")
    for row in sweeps.fillna("").itertuples():
        style = STYLES.get(str(row.verdict), "default")
        verdict = f"[{style}]{row.verdict}[/]"
        table.add_row(str(row.id), str(row.users), str(row.runs), str(row.status), verdict, escape(str(row.host)))
    if table.row_count:
        _console().print(table)
    else:
        sys.stderr.write("no sweep yet: run one with perflab sweep\n")


def print_calibration(found: Calibration, *, as_json: bool) -> None:
    """Print a row a client and number of processes, or all that was measured as JSON."""
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
        return
    machine, console = found.machine, _console()
    table = _table("client", "processes", "users", "requests/s", "limited by", "cores of other processes")
    for one in found.ceilings:
        least = "≥ " if one.at_least else ""
        table.add_row(
            one.client,
            str(one.processes),
            f"{least}{one.users:,}".replace(",", " "),
            f"{least}{one.requests_per_s:,.0f}".replace(",", " "),
            one.limited_by or "nothing yet",
            f"{one.other_cores:.1f} of {machine.cores}",
        )
    console.print(table)
    console.print(
        f"users make a request every {found.cycle_s:g} s on average; {escape(machine.processor)}, "
        f"{machine.cores} cores, locust {found.versions.get('locust')}; measured in {found.seconds:.0f} s",
        soft_wrap=True,
    )
    others = max(one.other_cores for one in found.ceilings)
    if others > QUIET_CORES:
        console.print(
            f"note: other programs kept up to {others:.1f} cores busy meanwhile, so this is what was left: calibrate "
            f"again when the machine is as quiet as it will be for your sweeps",
            soft_wrap=True,
        )


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = {"users", "measured", "95 % bounds", "limit", "requests", "runs"}
    numbers |= {"processes", "requests/s", "cores of other processes"}
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


def _objective(row: Any) -> str:
    """Return what is judged, and how where that isn't a matter of course."""
    how = [f"{row.clock} clock"] if row.clock not in ("", "wire") else []
    how += [str(row.endpoints)] if row.endpoints else []
    return escape(f"{row.objective} ({', '.join(how)})" if how else str(row.objective))


def _figure(objective: object, figure: Any) -> str:
    """Return a measured value with its unit; rates as per cent."""
    value = float(figure)
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞"
    if str(objective).endswith("_rate"):
        return f"{100 * value:.2f} %"
    return f"{value:.1f} /s" if str(objective).endswith("_rps") else f"{value:.1f} ms"
