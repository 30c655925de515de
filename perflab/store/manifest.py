"""``sweep.json`` and ``run.json``: their fields, and reading and writing them whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError
from pydantic_core import to_json
from typing_extensions import TypedDict

from perflab.errors import StoreError
from perflab.fields import (
    Amount,
    Count,
    Line,
    Moment,
    Name,
    OfRun,
    Positive,
    Record,
    Total,
    first_problem,
    parse_document,
)
from perflab.files import read_text
from perflab.plan.objectives import Objectives
from perflab.plan.plan import Plan
from perflab.store.scratch import write_whole
from perflab.vocabulary.redact import redact_values
from perflab.vocabulary.verdict import Verdict

SCHEMA_VERSION = 2

Status = Literal["complete", "interrupted", "failed"]


class Window(Record):
    """The steady window, in seconds since the run's start: start <= t < end."""

    start: OfRun
    end: OfRun

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.end - self.start


class SourceEvidence(Record):
    """What one source made and delivered, over the whole run.

    `recorded` requests stand in latency.csv, `unanswered` ones among them; its events told of `finished`, and Locust
    itself counted `locust_finished` there. `unstamped` ones have no wire time, `untimed` ones no latency at all, and
    the events of `misdated` ones told a start that can't be one. `missing_s` is how many seconds up to the planned end
    it never told of, because it was `lost`.
    """

    pid: Total = 0
    recorded: Total = 0
    finished: Total = 0
    locust_finished: Total = 0
    unanswered: Total = 0
    unstamped: Total = 0
    untimed: Total = 0
    misdated: Total = 0
    task_exceptions: Total = 0
    clock_step_ms: Amount = 0.0
    lost: bool = False
    missing_s: OfRun = 0.0


class Evidence(Record):
    """What a run's validity is judged by. Counts are over the whole run, ramp-up included."""

    users_reached: Total = 0
    requests_recorded: Total = 0
    """Requests in latency.csv, unanswered ones included."""
    requests_finished: Total | None = None
    """Those that the sources were told of by Locust's events; None where no source ever told."""
    locust_finished: Total | None = None
    """Locust's own count of them, in the processes that made them."""
    locust_total: Total | None = None
    """Locust's own statistics at the end, as in its report; with workers it may miss some."""
    unanswered: Total = 0
    """Requests that began before the planned end and never came back; recorded, but not finished."""
    unstamped: Total = 0
    """Successful requests without a wire time."""
    untimed: Total = 0
    """Requests whose events told no response time that could be one: they are counted, but have no latency."""
    misdated: Total = 0
    """Requests whose events told a start that can't be one: theirs was reckoned from the event's own moment."""
    stats_resets: Total = 0
    """How often requests were thrown out of Locust's own statistics."""
    recorder_faults: Total = 0
    """Exceptions in the recorder's own code."""
    recorder_fault: Line = ""
    """The first of them."""
    task_exceptions: Total = 0
    strayed: Total = 0
    """Requests of one side's users that went to the other side's host."""
    clock_step_ms: Amount = 0.0
    """By how much the clock of the day was set at the most during the run."""
    sources: dict[Line, SourceEvidence] = Field(default_factory=dict)
    exceptions: dict[Line, Total] = Field(default_factory=dict)
    """Exceptions outside of requests and tasks, by text."""
    locust_exceptions: dict[Line, Total] = Field(default_factory=dict)
    """Those of Locust's own statistics and their files, of which perflab uses nothing."""
    locust_exit_code: int | None = None
    own_exit_code: int | None = None
    """The exit code that the locustfile itself has set; None where it has set none, or wasn't asked."""
    target_lost: bool = False
    error: Line | None = None
    """Why the run has the status ``failed``, in one line."""


class SuiteUser(TypedDict, total=False):
    """A class of users, as its locustfile has it."""

    weight: Annotated[float, Field(allow_inf_nan=False)]
    fixed_count: int
    tasks: dict[Line, JsonValue]


class Suite(TypedDict, total=False):
    """What makes the load: a digest of the locustfile's code, its users by class, and the hosts of their own."""

    locustfile: Line
    users: dict[Line, SuiteUser]
    hosts: dict[Line, Line]


class Environment(TypedDict, total=False):
    """The machine that perflab ran on, the versions that it ran with, and the variables that shape the load."""

    system: Line
    architecture: Line
    processor: Line
    cores: Count | None
    memory_gb: Amount
    versions: dict[Name, Name]
    variables: dict[Line, Line]
    git_commit: Line | None


class RunManifest(Record):
    """``run.json``. A run counts as interrupted until it has proved to be complete, so a kill leaves the truth."""

    schema_version: int = SCHEMA_VERSION
    sweep_id: Name
    users: Positive
    repeat: Positive
    plan: Plan
    seed: Count
    status: Status = "interrupted"
    start: Moment | None = None
    end: Moment | None = None
    window: Window | None = None
    """As planned: from when all users run and have settled, to the planned end."""
    judged: Window | None = None
    """What of it was judged when the sweep ended: less what was not steady at its front."""
    evidence: Evidence = Evidence()
    suite: Suite | None = None
    """What made the load: a digest of the locustfile and what it imports, and its users. None: not recorded."""
    versions: dict[Name, Name] = Field(default_factory=dict)
    git_commit: Name | None = None


class TargetInfo(Record):
    """The system under test as it was reached."""

    host: Name
    managed: bool


class SweepManifest(Record):
    """``sweep.json``."""

    schema_version: int = SCHEMA_VERSION
    id: Name
    label: Name
    created: Moment
    plan: Plan
    objectives: Objectives
    target: TargetInfo
    environment: Environment
    status: Status = "interrupted"
    verdict: Verdict | None = None


RecordT = TypeVar("RecordT", bound=Record)


def write_manifest(path: Path, manifest: Record) -> None:
    """Write a manifest so that a kill at any moment leaves the old or the new one; no secret in its texts is kept."""
    write_whole(path, to_json(_discreet(manifest.model_dump()), indent=2) + b"\n")


def _discreet(value: Any) -> Any:
    if isinstance(value, str):
        return redact_values(value)
    if isinstance(value, dict):
        return {_discreet(key): _discreet(item) for key, item in value.items()}
    return [_discreet(item) for item in value] if isinstance(value, list | tuple) else value


def read_manifest(path: Path, kind: type[RecordT], way_out: str = "restore it or delete its folder") -> RecordT:
    """Read a manifest of the version that `kind` has; raises StoreError with the file and what is wrong with it."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise StoreError(f"{str(path)!r} is missing: the folder is not a complete result; delete it") from None
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"{str(path)!r} can't be read ({what}): {way_out}") from None
    try:
        document = parse_document(text)
        version = _Version.model_validate(document).schema_version
        known = kind.model_fields["schema_version"].default
        if version != known:
            raise StoreError(
                f"{str(path)!r} has schema_version {version}, this perflab reads {known}: use the perflab that wrote it"
            )
        return kind.model_validate(document)
    except ValidationError as error:
        what = first_problem(error)
    except ValueError as error:
        what = str(error)
    raise StoreError(f"{str(path)!r} is damaged ({what}): {way_out}")


class _Version(Record):
    schema_version: int
