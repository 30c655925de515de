"""``calibration.json``: what the load generator can offer on a machine, and the ramps that show it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from perflab.errors import StoreError
from perflab.fields import Amount, Count, Moment, Name, Positive, Rate, Record
from perflab.store.manifest import read_manifest, write_manifest

SCHEMA_VERSION = 1

Client = Literal["HttpUser", "FastHttpUser"]


class Machine(Record):
    """The machine that a calibration holds for; memory in 10^9 bytes."""

    processor: Name
    cores: Positive
    memory_gb: Amount


class Step(Record):
    """A step of a ramp; see `perflab.calibration.steps.measure_steps`. None where percentiles can't be compared."""

    second: Count
    users: Amount
    requests_per_s: Amount
    offered: Amount
    generator_cores: Amount
    server_cores: Amount
    other_cores: Amount
    drawn_p50_ms: Amount | None
    wire_p50_ms: Amount | None
    drawn_p95_ms: Amount | None
    wire_p95_ms: Amount | None
    drawn_p99_ms: Amount | None
    wire_p99_ms: Amount | None

    @property
    def p95_error(self) -> float | None:
        """By what share the measured p95 differs from the one that was drawn; None if one is not known."""
        if self.drawn_p95_ms is None or self.wire_p95_ms is None:
            return None
        return self.wire_p95_ms / self.drawn_p95_ms - 1


class Ceiling(Record):
    """The highest load that one client in a number of processes offered with every limit kept; 0 users for none.

    `at_least` says that the generator itself was not at its limit yet, `limited_by` what ended the search.
    `other_cores` is how many cores all other processes used meanwhile (median).
    """

    client: Client
    processes: Positive
    users: Count
    requests_per_s: Amount
    at_least: bool
    limited_by: Name | None
    other_cores: Amount
    steps: tuple[Step, ...] = ()


class Calibration(Record):
    """``calibration.json``. Users make a request every `cycle_s` seconds on average."""

    schema_version: int = SCHEMA_VERSION
    created: Moment
    machine: Machine
    versions: dict[Name, Name]
    cycle_s: Rate
    seconds: Amount
    """How long all of it took."""
    ceilings: tuple[Ceiling, ...]

    def differences(self, machine: Machine, versions: dict[str, str]) -> list[str]:
        """Return why it does not hold for a machine with these versions, one phrase each; none if it does."""
        found = []
        if self.machine != machine:
            found.append(f"it is of another machine ({self.machine.processor}, {self.machine.cores} cores)")
        for package in ("python", "locust"):
            then, now = self.versions.get(package), versions.get(package)
            if then != now:
                found.append(f"it is of {package} {then}, this is {now}")
        return found


def calibration_file(runs_dir: Path) -> Path:
    """Return where a runs folder's calibration lies."""
    return runs_dir / "calibration.json"


def calibration_chart(runs_dir: Path) -> Path:
    """Return where its chart lies."""
    return runs_dir / "calibration.svg"


def prepare_folder(runs_dir: Path) -> None:
    """Make the folder, and raise StoreError now if nothing can be written there later."""
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs_dir):
            return
    except OSError as error:
        raise StoreError(f"can't write to {str(runs_dir)!r}: {error.strerror}; choose another --runs-dir") from None


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the file so that a kill at any moment leaves the old or the new one."""
    write_manifest(path, calibration)


def read_calibration(path: Path) -> Calibration | None:
    """Return the calibration, None if there is no file; raises StoreError for one that can't be used."""
    if not path.exists():
        return None
    return read_manifest(path, Calibration, "perflab calibrate writes it anew")
