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


def print_calibration(calibration: Calibration, *, as_json: bool) -> None:
    """Print one row per client and number of processes, or all that was measured as JSON."""
    if as_json:
        sys.stdout.write(calibration.model_dump_json(indent=2) + "\n")
        return
    machine, console = calibration.machine, open_console()
    columns = ("client", "processes", "users", "requests/s", "limited by", "cores of other processes")
    table = make_table(*columns, numbers=_NUMBERS)
    for ceiling in calibration.ceilings:
        least = "≥ " if ceiling.at_least else ""
        table.add_row(
            ceiling.client,
            str(ceiling.processes),
            f"{least}{thousands(ceiling.users)}",
            f"{least}{thousands(ceiling.requests_per_s)}",
            ceiling.limited_by or "nothing yet",
            f"{ceiling.other_cores:.1f} of {machine.cores}",
        )
    console.print(table)
    console.print(
        f"users make a request every {calibration.cycle_s:g} s on average; {escape(machine.processor)}, "
        f"{machine.cores} cores, locust {calibration.versions.get('locust')}; measured in {calibration.seconds:.0f} s",
        soft_wrap=True,
    )
    others = max(ceiling.other_cores for ceiling in calibration.ceilings)
    if others > QUIET_CORES:
        console.print(
            f"note: other programs kept up to {others:.1f} cores busy meanwhile, so this is what was left: calibrate "
            f"again when the machine is as quiet as it will be for your sweeps",
            soft_wrap=True,
        )
