"""``calibration.json``: what the load generator can offer on a machine, and the ramps that show it."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from perflab.errors import StoreError
from perflab.store.scratch import write_whole

SCHEMA_VERSION = 1

Client = Literal["HttpUser", "FastHttpUser"]


class Machine(BaseModel):
    """The machine that a calibration holds for; memory in 10^9 bytes."""

    model_config = ConfigDict(frozen=True)

    processor: str
    cores: int
    memory_gb: float


class Step(BaseModel):
    """A step of a ramp; see `perflab.calibrate.steps.measure_steps`. None where percentiles can't be compared."""

    model_config = ConfigDict(frozen=True)

    second: int
    users: float
    requests_per_s: float
    offered: float
    generator_cores: float
    server_cores: float
    other_cores: float
    drawn_p50_ms: float | None
    wire_p50_ms: float | None
    drawn_p95_ms: float | None
    wire_p95_ms: float | None
    drawn_p99_ms: float | None
    wire_p99_ms: float | None


class Ceiling(BaseModel):
    """The highest load that one client in a number of processes offered with every limit kept; 0 users for none.

    `at_least` says that the generator itself was not at its limit yet, `limited_by` what ended the search.
    `other_cores` is how many cores all other processes used meanwhile (median).
    """

    model_config = ConfigDict(frozen=True)

    client: Client
    processes: int
    users: int
    requests_per_s: float
    at_least: bool
    limited_by: str | None
    other_cores: float
    steps: tuple[Step, ...] = ()


class Calibration(BaseModel):
    """``calibration.json``. Users make a request every `cycle_s` seconds on average."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    created: datetime
    machine: Machine
    versions: dict[str, str]
    cycle_s: float
    seconds: float
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
    write_whole(path, calibration.model_dump_json(indent=2) + "\n")


def read_calibration(path: Path) -> Calibration | None:
    """Return the calibration, None if there is no file; raises StoreError for one that can't be used."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{str(path)!r} can't be read: {error}; perflab calibrate writes it anew") from None
    try:
        version = _Version.model_validate_json(text).schema_version
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{str(path)!r} has schema_version {version}, this perflab reads {SCHEMA_VERSION}: "
                f"perflab calibrate writes it anew"
            )
        return Calibration.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        what = f"{field}: {first['msg']}" if field else first["msg"]
        raise StoreError(f"{str(path)!r} is damaged ({what}): perflab calibrate writes it anew") from None


class _Version(BaseModel):
    schema_version: int
