"""The JSON files under ``runs/``: their fields, and how they are read and atomically written."""

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
    BoundedLevel,
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
from perflab.vocabulary.level import LevelKind
from perflab.vocabulary.redact import redact_values
from perflab.vocabulary.verdict import Verdict

Status = Literal["complete", "interrupted", "failed"]


class Window(Record):
    """A window of a run, in seconds since its start: start <= t < end."""

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
    """What one source made and delivered. `lost` is true if it ended, or stopped delivering, before the run was over.

    `missing_s` is how many seconds up to the planned end it did not report.
    """

    pid: Total = 0
    lost: bool = False
    missing_s: OfRun = 0.0


class Evidence(Totals):
    """The facts that decide whether a run is valid: the totals of all sources, and facts about the run as a whole."""

    users_reached: Total = 0
    locust_total: Total | None = None
    """The number of requests in Locust's own report; with workers it may be too low."""
    sources: dict[Line, SourceEvidence] = Field(default_factory=dict)
    """Empty if no source ever reported: then it is unknown how many requests Locust made."""
    locust_exceptions: dict[Line, Total] = Field(default_factory=dict)
    """Exceptions in Locust's own statistics and in writing their files, which perflab doesn't use."""
    locust_exit_code: int | None = None
    locustfile_exit_code: int | None = None
    """The exit code that the locustfile itself has set; None if it set none, or that was not recorded."""
    target_lost: bool = False
    error: Line | None = None
    """Why the run has the status ``failed``, in one line."""


class SuiteUser(TypedDict, total=False):
    """A class of users as the locustfile defines it."""

    weight: Annotated[float, Field(allow_inf_nan=False)]
    fixed_count: int
    tasks: dict[Line, JsonValue]


class Suite(TypedDict, total=False):
    """What makes the load: a digest of the locustfile's code, its user classes, and the hosts that they set."""

    locustfile: Line
    users: dict[Line, SuiteUser]
    hosts: dict[Line, Line]


class Environment(TypedDict, total=False):
    """The machine that perflab ran on, the versions of the software, and the variables that affect the load."""

    system: Line
    architecture: Line
    processor: Line
    cores: Count | None
    memory_gb: Amount
    versions: dict[Name, Name]
    variables: dict[Line, Line]
    git_commit: Line | None


class Manifest(Record):
    """A JSON file; `schema_version` says which fields it has."""

    schema_version: int

    @classmethod
    def upgrade(cls, document: dict[str, Any]) -> None:
        """Convert a document of an earlier version to this one, in place.

        Raises NotImplementedError if that version is no longer supported, and LookupError, TypeError or AttributeError
        if the document is damaged.
        """
        raise NotImplementedError


class RunManifest(Manifest):
    """``run.json``. The status is interrupted until the run is known to be complete, so a kill leaves it correct."""

    schema_version: int = 4
    sweep_id: Name
    level: BoundedLevel
    repeat: Positive
    plan: Plan
    seed: Count
    status: Status = "interrupted"
    start: Moment | None = None
    end: Moment | None = None
    window: Window | None = None
    """The planned window: from when all users are running and have settled, to the planned end."""
    judged: Window | None = None
    """The part of it that was judged when the sweep ended: without the seconds at its start that were not steady."""
    evidence: Evidence = Evidence()
    suite: Suite | None = None
    """What made the load; None if it was not recorded."""
    versions: dict[Name, Name] = Field(default_factory=dict)
    git_commit: Name | None = None

    @classmethod
    def upgrade(cls, document: dict[str, Any]) -> None:
        """Convert versions 2 and 3: their levels were numbers of users, and some counters had other names.

        Version 2 had null for some of these if no source ever reported.
        """
        version = document["schema_version"]
        if version < 2:
            raise NotImplementedError
        document["level"] = {"kind": LevelKind.USERS, "value": document.pop("users")}
        evidence = document["evidence"]
        evidence["locustfile_exit_code"] = evidence.pop("own_exit_code", None)
        if version == 2:
            evidence["misrouted"] = evidence.pop("strayed", 0)
            evidence |= {name: evidence.get(name) or 0 for name in ("requests_finished", "locust_finished")}
        for counted in (evidence, *evidence.get("sources", {}).values()):
            for name, former in _FORMER_COUNTERS[version].items():
                if former in counted:
                    counted[name] = counted.pop(former)


# By schema_version, the former names of a run's counters and those of its sources.
_OF_VERSION_3 = {"without_wire_time": "unstamped", "without_latency": "untimed", "start_corrected": "misdated"}
_OF_VERSION_2 = {"requests_recorded": "recorded", "requests_finished": "finished"}
_FORMER_COUNTERS = {3: _OF_VERSION_3, 2: _OF_VERSION_3 | _OF_VERSION_2}


class TargetInfo(Record):
    """The system under test: its address, and whether perflab started it (`managed`)."""

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
    """``ab.json``: the plan of an A/B comparison, its progress, and the rounds that its last look compared.

    The status is interrupted until the comparison is known to be complete, so a kill leaves it correct.
    """

    schema_version: int = 1
    id: Name
    label: Name
    created: Moment
    ab: AbPlan
    """The plan, without the secrets in its commands."""
    environment: Environment
    status: Status = "interrupted"
    rounds: tuple[Positive, ...] = ()
    """The rounds that the last look compared, in order; empty before the first look."""
    verdict: Verdict | None = None
    """The verdict of the last look."""


class Baseline(Manifest):
    """``baseline.json``: the full id of the sweep that others are compared with by default."""

    schema_version: int = 1
    id: Name


def read_baseline(runs_dir: Path) -> str:
    """Return the stored baseline's id; raises StoreError if none is stored or the file is unusable."""
    path = RunsDir(runs_dir).baseline
    if not path.exists():
        raise StoreError(f"no baseline under {str(runs_dir)!r}: choose one with perflab baseline set ID", runs_dir)
    return read_manifest(path, Baseline).id


ManifestT = TypeVar("ManifestT", bound=Manifest)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest atomically, without the secrets in its texts."""
    write_whole(path, to_json(_redact_texts(manifest.model_dump()), indent=2) + b"\n")


def _redact_texts(value: Any) -> Any:
    if isinstance(value, str):
        return redact_values(value)
    if isinstance(value, dict):
        return {_redact_texts(key): _redact_texts(item) for key, item in value.items()}
    return [_redact_texts(item) for item in value] if isinstance(value, list | tuple) else value


def read_manifest(path: Path, kind: type[ManifestT], way_out: str = "restore it or delete its folder") -> ManifestT:
    """Read a manifest of `kind`'s version, or of an earlier one if `kind` can upgrade it.

    Raises StoreError, which names the file, what is wrong with it, and `way_out`: what to do if it is damaged.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise StoreError(f"{str(path)!r} is missing: the folder is not a complete result; delete it", path) from None
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"{str(path)!r} can't be read ({problem}): {way_out}", path) from None
    try:
        document = parse_document(text)
        version = Manifest.model_validate(document).schema_version
        known = kind.model_fields["schema_version"].default
        if version < known:
            with contextlib.suppress(NotImplementedError):
                # A damaged document is left as it is, because validating it says what is wrong.
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
        problem = first_problem(error)
    except ValueError as error:
        problem = str(error)
    raise StoreError(f"{str(path)!r} is damaged ({problem}): {way_out}", path)
