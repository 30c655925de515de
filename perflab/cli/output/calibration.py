"""What ``perflab calibrate`` prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.markup import escape

from perflab.cli.output.console import make_table, open_console
from perflab.vocabulary.number import thousands

if TYPE_CHECKING:
    from perflab.store.calibration import Calibration

# Locust's master and perflab itself are among a calibration's other processes, too.
QUIET_CORES = 0.4
_NUMBERS = {"processes", "users", "requests/s", "cores of other processes"}


def print_calibration(found: Calibration, *, as_json: bool) -> None:
    """Print a row a client and number of processes, or all that was measured as JSON."""
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
        return
    machine, console = found.machine, open_console()
    columns = ("client", "processes", "users", "requests/s", "limited by", "cores of other processes")
    table = make_table(*columns, numbers=_NUMBERS)
    for one in found.ceilings:
        least = "≥ " if one.at_least else ""
        table.add_row(
            one.client,
            str(one.processes),
            f"{least}{thousands(one.users)}",
            f"{least}{thousands(one.requests_per_s)}",
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
