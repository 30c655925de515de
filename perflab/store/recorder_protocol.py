"""The recorder protocol: what perflab and its recorder inside Locust exchange while a run lasts.

The run's configuration travels to Locust in an environment variable. The process that writes the tables keeps the
run's state in a hidden file beside them. Once the run is over, ``run.json`` holds what matters of it, and the hidden
file is removed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from perflab.fields import Amount, Line, Record, Total
from perflab.files import write_whole
from perflab.store.layout import SweepDir
from perflab.vocabulary.level import Level

CONFIGURATION_VARIABLE = "PERFLAB_RECORD"
PREFLIGHT_MARK = "perflab-preflight: "
"""Marks the line on which the preflight prints its result."""
_STATE = ".recorder.json"


@dataclass(frozen=True, slots=True)
class Preflight:
    """What Locust makes of a locustfile with additional options: its users, or what is wrong."""

    users: dict[str, dict[str, float]] = field(default_factory=dict)
    """Weight and fixed count of the chosen classes, by name."""
    error: str = ""
    """An exception in the locustfile, with its place."""
    wrong_option: str = ""


class Side(Record):
    """One side of a duet: the folder of its run, and where its users' requests go."""

    run_dir: str
    host: str


class RunConfiguration(Record):
    """What to record: the run's folder, the level that the run wants, settling and steady state in seconds."""

    run_dir: str
    level: Level
    settle_s: float
    duration_s: float
    limits_ms: tuple[float, ...] = ()
    """The latencies that objectives allow: bounds of the exporter's buckets."""
    sides: tuple[Side, ...] = ()
    """Both sides of a duet, the first of them in `run_dir`; else empty."""

    @property
    def names(self) -> dict[str, str]:
        """Return the ids of the sweep and the run."""
        run = Path(self.run_dir)
        return {"sweep_id": SweepDir(run.parent).id, "run": run.name}

    def to_variable(self) -> dict[str, str]:
        """Return the environment variable that carries the configuration."""
        return {CONFIGURATION_VARIABLE: self.model_dump_json()}

    @classmethod
    def from_environment(cls) -> RunConfiguration | None:
        """Return the configuration given to this process; None in a worker that was started by hand."""
        text = os.environ.get(CONFIGURATION_VARIABLE)
        return cls.model_validate_json(text) if text else None


class Totals(Record):
    """What a source has counted over its whole run so far, ramp-up included, or all sources together."""

    requests_recorded: Total = 0
    """Requests in latency.csv, unanswered ones included."""
    requests_finished: Total = 0
    """Requests for which Locust fired an event."""
    locust_finished: Total = 0
    """Locust's own count of them, in the process that made them."""
    unanswered: Total = 0
    """Requests that began before the planned end and never came back; recorded, but not finished."""
    without_wire_time: Total = 0
    """Successful requests without a wire time."""
    without_latency: Total = 0
    """Requests whose events gave no usable response time: they are counted, but have no latency."""
    start_corrected: Total = 0
    """Requests whose events gave an impossible start, which was replaced by one calculated from the event's time."""
    misrouted: Total = 0
    """Requests of one side's users that went to the other side's host."""
    other_hosts: dict[Line, Total] = Field(default_factory=dict)
    """Requests to other addresses than the target's, each step of a redirect counted, by host and port."""
    asked_target: Total = 0
    """In how many processes Locust's clients have sent a request to the target's own address."""
    stats_resets: Total = 0
    """How often requests were thrown out of Locust's own statistics."""
    task_exceptions: Total = 0
    clock_step_ms: Amount = 0.0
    """The largest step by which the clock of the day was set during the run."""
    exceptions: dict[Line, Total] = Field(default_factory=dict)
    """Exceptions outside of requests and tasks, by text."""
    recorder_faults: Total = 0
    """Exceptions in the recorder's own code."""
    recorder_fault: Line = ""
    """The first of them."""

    @classmethod
    def of_all(cls, totals: Iterable[Totals]) -> Totals:
        """Return the totals of several sources together."""
        together: dict[str, Any] = {}
        for name, value in (item for each in totals for item in each):
            if name == "clock_step_ms":
                together[name] = max(value, together.get(name, 0.0))
            elif name == "recorder_fault":
                together[name] = together.get(name) or value
            elif isinstance(value, dict):
                together[name] = Counter(together.get(name)) + Counter(value)
            else:
                together[name] = together.get(name, 0) + value
        return cls(**together)


@dataclass(slots=True)
class SourceState:
    """How far one source has come; `last_second` is the last whole second since the run's start that it reported."""

    pid: int = 0
    last_second: int | None = None
    complete: bool = False
    """It has delivered its last batch."""
    totals: Totals = field(default_factory=Totals)


@dataclass(slots=True)
class RunState:
    """How far the run has come. Times are epoch seconds; the window is in seconds since `start`, a whole second.

    It isn't validated here: whoever makes a ``run.json`` of it says what is wrong with it.
    """

    start: int | None = None
    users_reached: int = 0
    window_start: int | None = None
    window_end: int | None = None
    sources: dict[str, SourceState] = field(default_factory=dict)
    writer: Totals = field(default_factory=Totals)
    """What the process that writes the tables has counted beside its sources: exceptions, faults, resets."""
    locust_total: int | None = None
    """What Locust's own statistics of the whole run say, which a lost report of a worker makes wrong."""
    window_over: bool = False
    """The steady window has been measured to its planned end."""
    end: float | None = None
    """Set by the last write of a process that ended in order."""
    error: str | None = None
    """Why the run has failed, if the recorder itself knows it."""
    locust_exceptions: dict[str, int] = field(default_factory=dict)
    """Exceptions of Locust's own statistics and their files."""
    locustfile_exit_code: int | None = None
    """The exit code that the locustfile itself has set."""
    suite: dict[str, Any] | None = None
    """What makes the load: see `perflab.record.suite`."""

    @property
    def totals(self) -> Totals:
        """Return the totals of all sources and of the process that writes."""
        return Totals.of_all([self.writer, *(source.totals for source in self.sources.values())])


def write_state(run_dir: Path, state: RunState) -> None:
    """Write the run's state, whole or not at all."""
    write_whole(run_dir / _STATE, json.dumps(asdict(state), default=dict))


def read_state(run_dir: Path) -> RunState | None:
    """Return the run's state so far; None before the recorder has written it."""
    try:
        document = json.loads((run_dir / _STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    for holder, name in ((document, "writer"), *((source, "totals") for source in document["sources"].values())):
        holder[name] = Totals.model_construct(**holder[name])
    document["sources"] = {name: SourceState(**source) for name, source in document["sources"].items()}
    return RunState(**document)


def remove_state(run_dir: Path) -> None:
    """Remove the hidden file of a run that is over, and what a kill in the middle of a write has left beside it."""
    for path in run_dir.glob("*.recorder*"):
        path.unlink()
