"""A calibration: a ramp for each client and number of processes, one after the other, and the file they end in."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np

from perflab.calibration.ramp import CYCLE_S, RAMP_S, Say, climb
from perflab.calibration.steps import find_ceiling
from perflab.drive.fingerprint import machine, versions
from perflab.errors import PerflabError
from perflab.files import write_whole
from perflab.store.calibration import Calibration, Ceiling, Client, Machine, Step, prepare_folder
from perflab.store.layout import RunsDir
from perflab.store.manifest import write_manifest
from perflab.store.scratch import scratch_folder

# Start of Locust and of the server, probe and stop come on top of each ramp; in seconds.
OVERHEAD_S = 13.0
CLIENTS: tuple[Client, ...] = get_args(Client)


def calibrate(
    runs_dir: Path,
    processes: int | None = None,
    *,
    clients: tuple[Client, ...] = CLIENTS,
    seconds: float = RAMP_S,
    say: Say = lambda _: None,
) -> Calibration:
    """Find how much load this machine can offer, write it and its chart under `runs_dir`, and return it.

    It is found for one process and for `processes`, by default as many as there are cores. `seconds` is about the
    length of each of the ramps. Nothing is written unless all of them came to an end. Raises StoreError when nothing
    could be written, before it begins.
    """
    prepare_folder(runs_dir)
    counts = sorted({1, processes or os.cpu_count() or 1})
    ramps = [(client, count) for client in clients for count in counts]
    say(f"calibrating: {len(ramps)} ramps, about {len(ramps) * (seconds + OVERHEAD_S):.0f} s")
    begun = time.monotonic()
    ceilings = []
    for number, (client, count) in enumerate(ramps, start=1):
        prefix = f"[{number}/{len(ramps)}] {client}, {count} {'process' if count == 1 else 'processes'}: "
        ceilings.append(_ceiling(client, count, seconds, lambda line, prefix=prefix: say(prefix + line)))
    found = Calibration(
        created=datetime.now(UTC),
        machine=this_machine(),
        versions=these_versions(),
        cycle_s=CYCLE_S,
        seconds=round(time.monotonic() - begun, 1),
        ceilings=tuple(ceilings),
    )
    write_manifest(RunsDir(runs_dir).calibration, found)
    # Only now: matplotlib would have been in memory during the ramps.
    from perflab.chart.calibration import calibration as draw

    write_whole(RunsDir(runs_dir).calibration_chart, draw(found).to_svg())
    return found


def _ceiling(client: Client, processes: int, seconds: float, say: Any) -> Ceiling:
    with scratch_folder("calibration") as folder:
        steps = climb(client, processes, seconds=seconds, folder=folder, say=say)
    if steps.empty:
        raise PerflabError(
            f"the calibration's ramp of {client} was over before anything could be measured: is the machine busy?"
        )
    limit = find_ceiling(steps)
    most = "at least " if limit.at_least else ""
    say(f"{most}{limit.requests_per_s:.0f} requests/s with {limit.users} users")
    # JSON knows no NaN.
    rows = steps.round(4).astype(object).where(steps.notna(), None).to_dict("records")
    return Ceiling(
        client=client,
        processes=processes,
        **asdict(limit),
        other_cores=round(float(np.median(steps["other_cores"])), 2),
        steps=tuple(Step.model_validate(row) for row in rows),
    )


def this_machine() -> Machine:
    """Return the machine this runs on, as far as it matters for a calibration."""
    here = machine()
    return Machine(processor=here["processor"], cores=here["cores"], memory_gb=here["memory_gb"])


def these_versions() -> dict[str, str]:
    """Return the versions that a calibration depends on."""
    return {name: version for name, version in versions().items() if name in {"python", "locust", "perflab"}}
