"""``sweep.json`` and ``run.json``: their fields, and reading and writing them whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from perflab.errors import StoreError, naming
from perflab.objectives import Objectives
from perflab.plan import Plan
from perflab.redact import redact_values

SCHEMA_VERSION = 2

Status = Literal["complete", "interrupted", "failed"]
Verdict = Literal["PASS", "FAIL", "INVALID", "INCONCLUSIVE"]

EXIT_CODES: Mapping[Verdict, int] = {"PASS": 0, "FAIL": 1, "INVALID": 3, "INCONCLUSIVE": 4}
"""What a verdict is to a shell; 2 is for what keeps a sweep from being run."""


class Window(BaseModel):
    """The steady window, in seconds since the run's start: start <= t < end."""

    model_config = ConfigDict(frozen=True)

    start: float
    end: float

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.end - self.start


class SourceEvidence(BaseModel):
    """What one source made and delivered, over the whole run.

    `recorded` requests stand in latency.csv, `unanswered` ones among them; its events told of `finished`, and Locust
    itself counted `locust_finished` there. `unstamped` ones have no wire time, `untimed` ones no latency at all, and
    the events of `misdated` ones told a start that can't be one. `missing_s` is how many seconds up to the planned end
    it never told of, because it was `lost`.
    """

    model_config = ConfigDict(frozen=True)

    pid: int = 0
    recorded: int = 0
    finished: int = 0
    locust_finished: int = 0
    unanswered: int = 0
    unstamped: int = 0
    untimed: int = 0
    misdated: int = 0
    task_exceptions: int = 0
    clock_step_ms: float = 0.0
    lost: bool = False
    missing_s: float = 0.0


class Evidence(BaseModel):
    """What a run's validity is judged by. Counts are over the whole run, ramp-up included."""

    model_config = ConfigDict(frozen=True)

    users_reached: int = 0
    requests_recorded: int = 0
    """Requests in latency.csv, unanswered ones included."""
    requests_finished: int | None = None
    """Those that the sources were told of by Locust's events; None where no source ever told."""
    locust_finished: int | None = None
    """Locust's own count of them, in the processes that made them."""
    locust_total: int | None = None
    """Locust's own statistics at the end, as in its report; with workers it may miss some."""
    unanswered: int = 0
    """Requests that began before the planned end and never came back; recorded, but not finished."""
    unstamped: int = 0
    """Successful requests without a wire time."""
    untimed: int = 0
    """Requests whose events told no response time that could be one: they are counted, but have no latency."""
    misdated: int = 0
    """Requests whose events told a start that can't be one: theirs was reckoned from the event's own moment."""
    stats_resets: int = 0
    """How often requests were thrown out of Locust's own statistics."""
    recorder_faults: int = 0
    """Exceptions in the recorder's own code."""
    recorder_fault: str = ""
    """The first of them."""
    task_exceptions: int = 0
    strayed: int = 0
    """Requests of one side's users that went to the other side's host."""
    clock_step_ms: float = 0.0
    """By how much the clock of the day was set at the most during the run."""
    sources: dict[str, SourceEvidence] = {}
    exceptions: dict[str, int] = {}
    """Exceptions outside of requests and tasks, by text."""
    locust_exceptions: dict[str, int] = {}
    """Those of Locust's own statistics and their files, of which perflab uses nothing."""
    locust_exit_code: int | None = None
    own_exit_code: int | None = None
    """The exit code that the locustfile itself has set; None where it has set none, or wasn't asked."""
    target_lost: bool = False
    error: str | None = None
    """Why the run has the status ``failed``, in one line."""


class RunManifest(BaseModel):
    """``run.json``. A run counts as interrupted until it has proved to be complete, so a kill leaves the truth."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    sweep_id: str
    users: int
    repeat: int
    plan: Plan
    seed: int
    status: Status = "interrupted"
    start: datetime | None = None
    end: datetime | None = None
    window: Window | None = None
    """As planned: from when all users run and have settled, to the planned end."""
    judged: Window | None = None
    """What of it was judged when the sweep ended: less what was not steady at its front."""
    evidence: Evidence = Evidence()
    suite: dict[str, Any] | None = None
    """What made the load: a digest of the locustfile and what it imports, and its users. None: not recorded."""
    versions: dict[str, str] = {}
    git_commit: str | None = None


class TargetInfo(BaseModel):
    """The system under test as it was reached."""

    model_config = ConfigDict(frozen=True)

    host: str
    managed: bool


class SweepManifest(BaseModel):
    """``sweep.json``."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    id: str
    label: str
    created: datetime
    plan: Plan
    objectives: Objectives
    target: TargetInfo
    environment: dict[str, Any]
    status: Status = "interrupted"
    verdict: Verdict | None = None


ManifestT = TypeVar("ManifestT", bound=BaseModel)


def write_manifest(path: Path, manifest: BaseModel) -> None:
    """Write a manifest so that a kill at any moment leaves the old or the new one; no secret in its texts is kept."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with naming(path):
        beside.write_bytes(to_json(_discreet(manifest.model_dump()), indent=2, inf_nan_mode="null") + b"\n")
    beside.replace(path)


def _discreet(value: Any) -> Any:
    if isinstance(value, str):
        return redact_values(value)
    if isinstance(value, dict):
        return {_discreet(key): _discreet(item) for key, item in value.items()}
    return [_discreet(item) for item in value] if isinstance(value, list | tuple) else value


def read_manifest(path: Path, kind: type[ManifestT]) -> ManifestT:
    """Read a manifest of the version that `kind` has; raises StoreError with the file and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StoreError(f"{str(path)!r} is missing: the folder is not a complete result; delete it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{str(path)!r} can't be read: {error}") from None
    try:
        version = _Version.model_validate_json(text).schema_version
        known = kind.model_fields["schema_version"].default
        if version != known:
            raise StoreError(
                f"{str(path)!r} has schema_version {version}, this perflab reads {known}: use the perflab that wrote it"
            )
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        what = f"{field}: {first['msg']}" if field else first["msg"]
        raise StoreError(f"{str(path)!r} is damaged ({what}): restore it or delete its folder") from None


class _Version(BaseModel):
    schema_version: int
