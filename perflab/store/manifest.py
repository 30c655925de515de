"""The JSON files under ``runs/``: their fields, and reading and writing them whole or not at all."""

from __future__ import annotations

import contextlib
import math
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
from perflab.files import read_text, write_whole
from perflab.plan.ab import AbPlan
from perflab.plan.objectives import Objectives
from perflab.plan.plan import Plan
from perflab.store.layout import RunsDir
from perflab.store.recorder_protocol import Totals
from perflab.vocabulary.redact import redact_values
from perflab.vocabulary.verdict import Verdict

Status = Literal["complete", "interrupted", "failed"]


class Window(Record):
    """The steady window, in seconds since the run's start: start <= t < end."""

    start: OfRun
    end: OfRun

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.end - self.start


def whole_seconds(window: Window | None) -> range:
    """Return the seconds that lie wholly inside the steady window; empty without a window.

    Requests are recorded by the whole second they began in. A second that the window only touches would bring
    in requests from outside it, and would make requests per second depend on where in a second a run started.
    """
    if window is None:
        return range(0)
    # To the millisecond: a start of 20.0000000001 is 20.
    return range(math.ceil(round(window.start, 3)), max(math.floor(round(window.end, 3)), 0))


class SourceEvidence(Totals):
    """What one source made and delivered; `lost` says that it did not come to its end with the run.

    `missing_s` is how many seconds up to the planned end it never reported.
    """

    pid: Total = 0
    lost: bool = False
    missing_s: OfRun = 0.0


class Evidence(Totals):
    """What a run's validity is judged by: the totals of all sources, and what is known of the run as a whole."""

    users_reached: Total = 0
    locust_total: Total | None = None
    """Locust's own statistics at the end, as in its report; with workers it may miss some."""
    sources: dict[Line, SourceEvidence] = Field(default_factory=dict)
    """Empty where no source ever reported: then nothing is known of how many requests Locust made."""
    locust_exceptions: dict[Line, Total] = Field(default_factory=dict)
    """Exceptions of Locust's own statistics and their files, of which perflab uses nothing."""
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


class Manifest(Record):
    """A JSON file of its own: `schema_version` says which fields it has."""

    schema_version: int

    @classmethod
    def upgrade(cls, document: dict[str, Any]) -> None:
        """Turn a document of the version before this one into one of this version.

        Raises NotImplementedError where that version isn't read any more; what else is raised says that it is damaged.
        """
        raise NotImplementedError


class RunManifest(Manifest):
    """``run.json``. A run counts as interrupted until it has proved to be complete, so a kill leaves the truth."""

    schema_version: int = 3
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

    @classmethod
    def upgrade(cls, document: dict[str, Any]) -> None:
        """Version 2 named some counters differently, and had null where no source ever reported."""
        evidence = document["evidence"]
        evidence["misrouted"] = evidence.pop("strayed", 0)
        evidence |= {name: evidence.get(name) or 0 for name in ("requests_finished", "locust_finished")}
        for source in evidence.get("sources", {}).values():
            source |= {f"requests_{name}": source.pop(name, 0) for name in ("recorded", "finished")}


class TargetInfo(Record):
    """The system under test as it was reached."""

    host: Name
    managed: bool


class SweepManifest(Manifest):
    """``sweep.json``."""

    schema_version: int = 2
    id: Name
    label: Name
    created: Moment
    plan: Plan
    objectives: Objectives
    target: TargetInfo
    environment: Environment
    status: Status = "interrupted"
    verdict: Verdict | None = None


class AbManifest(Manifest):
    """``ab.json``: what an A/B comparison was to do, how far it has come, and which rounds its last look was at.

    It counts as interrupted until it has proved to be complete, so a kill leaves the truth.
    """

    schema_version: int = 1
    id: Name
    label: Name
    created: Moment
    ab: AbPlan
    """As planned; a secret in a command is taken out."""
    environment: Environment
    status: Status = "interrupted"
    rounds: tuple[Positive, ...] = ()
    """The rounds that the last look was at, in their order; empty before the first look."""
    verdict: Verdict | None = None
    """That of the last look."""


class Baseline(Manifest):
    """``baseline.json``: the whole id of the sweep that the others are held against."""

    schema_version: int = 1
    id: Name


def read_baseline(runs_dir: Path) -> str:
    """Return the stored baseline's id; raises StoreError if none is stored, or the file can't be used."""
    path = RunsDir(runs_dir).baseline
    if not path.exists():
        raise StoreError(f"no baseline under {str(runs_dir)!r}: choose one with perflab baseline set ID", runs_dir)
    return read_manifest(path, Baseline).id


ManifestT = TypeVar("ManifestT", bound=Manifest)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest so that a kill at any moment leaves the old or the new one; no secret in its texts is kept."""
    write_whole(path, to_json(_redacted(manifest.model_dump()), indent=2) + b"\n")


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact_values(value)
    if isinstance(value, dict):
        return {_redacted(key): _redacted(item) for key, item in value.items()}
    return [_redacted(item) for item in value] if isinstance(value, list | tuple) else value


def read_manifest(path: Path, kind: type[ManifestT], way_out: str = "restore it or delete its folder") -> ManifestT:
    """Read a manifest of the version that `kind` has, or of the one before it where that can be upgraded.

    Raises StoreError with the file and what is wrong with it.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise StoreError(f"{str(path)!r} is missing: the folder is not a complete result; delete it", path) from None
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"{str(path)!r} can't be read ({what}): {way_out}", path) from None
    try:
        document = parse_document(text)
        version = Manifest.model_validate(document).schema_version
        known = kind.model_fields["schema_version"].default
        if version == known - 1:
            with contextlib.suppress(NotImplementedError):
                # What is damaged is left as it is: its validation says what is wrong.
                with contextlib.suppress(LookupError, TypeError, AttributeError):
                    kind.upgrade(document)
                document["schema_version"] = version = known
        if version != known:
            raise StoreError(
                f"{str(path)!r} has schema_version {version}, this perflab reads {known}: "
                f"use the perflab that wrote it",
                path,
            )
        return kind.model_validate(document)
    except ValidationError as error:
        what = first_problem(error)
    except ValueError as error:
        what = str(error)
    raise StoreError(f"{str(path)!r} is damaged ({what}): {way_out}", path)
