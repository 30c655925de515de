"""``calibration.json``: how much load the load generator can make on a machine, and the ramps that show it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

from perflab.errors import StoreError
from perflab.fields import Amount, Count, Moment, Name, Positive, Rate, Record
from perflab.store.layout import RunsDir
from perflab.store.manifest import Manifest, read_manifest

Client = Literal["HttpUser", "FastHttpUser"]


class Machine(Record):
    """The machine for which a calibration is valid; memory in 10^9 bytes."""

    processor: Name
    cores: Positive
    memory_gb: Amount


class Step(Record):
    """A step of a ramp; see `perflab.calibration.steps.measure_steps`. None where percentiles can't be compared."""

    second: Count
    users: Amount
    requests_per_s: Amount
    achieved_load: Amount
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
    """The highest load that one client in a number of processes achieved with every limit kept; 0 users for none.

    With `at_least` the generator itself had not reached its limit; `limited_by` is what ended the search.
    `other_cores` is the median of the cores that all other processes used at the same time.
    """

    client: Client
    processes: Positive
    users: Count
    requests_per_s: Amount
    at_least: bool
    limited_by: Name | None
    other_cores: Amount
    steps: tuple[Step, ...] = ()


class Calibration(Manifest):
    """``calibration.json``. Users make a request every `cycle_s` seconds on average."""

    schema_version: int = 2
    created: Moment
    machine: Machine
    versions: dict[Name, Name]
    cycle_s: Rate
    seconds: Amount
    """How long the calibration took."""
    ceilings: tuple[Ceiling, ...]

    @classmethod
    def upgrade(cls, document: dict[str, Any]) -> None:
        """Version 1 called the achieved load `offered`."""
        if document["schema_version"] != 1:
            raise NotImplementedError
        for ceiling in document["ceilings"]:
            for step in ceiling["steps"]:
                step["achieved_load"] = step.pop("offered")

    def differences(self, machine: Machine, versions: dict[str, str]) -> list[str]:
        """Return why it isn't valid for a machine with these versions, one phrase each; none if it is."""
        reasons = []
        if self.machine != machine:
            reasons.append(f"it was made on another machine ({self.machine.processor}, {self.machine.cores} cores)")
        for package in ("python", "locust"):
            then, now = self.versions.get(package), versions.get(package)
            if then != now:
                reasons.append(f"it was made with {package} {then}, this is {now}")
        return reasons


def prepare_folder(runs_dir: Path) -> None:
    """Make the folder, and raise StoreError if nothing can be written there."""
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs_dir):
            return
    except OSError as error:
        raise StoreError(
            f"can't write to {str(runs_dir)!r}: {error.strerror}; choose another --runs-dir", runs_dir
        ) from None


def read_calibration(runs_dir: Path) -> Calibration | None:
    """Return the calibration of a runs folder, None if there is none; raises StoreError for one that can't be used."""
    path = RunsDir(runs_dir).calibration
    if not path.exists():
        return None
    return read_manifest(path, Calibration, "run perflab calibrate again")
