"""What perflab tells the recorder inside Locust, and what the recorder tells back, while a run lasts.

The order travels in an environment variable; the process that writes the tables answers in a hidden file beside them.
Once the run is over, what matters of it stands in ``run.json`` and the hidden file is removed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perflab.store.layout import SweepDir

ORDER_VARIABLE = "PERFLAB_RECORD"
PREFLIGHT_MARK = "perflab-preflight: "
"""Stands before what the preflight has found, on the line on which it prints that."""
_ANSWER = ".recorder.json"


@dataclass(frozen=True, slots=True)
class Preflight:
    """What Locust makes of a locustfile with further options: users with weight and fixed count, or what is wrong."""

    users: dict[str, dict[str, float]] = field(default_factory=dict)
    """The classes that are chosen, by name."""
    error: str = ""
    """An exception in the locustfile, with its place."""
    wrong_option: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a duet: the folder of its run, and where its users' requests go."""

    run_dir: str
    host: str


@dataclass(frozen=True, slots=True)
class Order:
    """What to record: the run's folder, the users that the run wants, settling and steady state in seconds."""

    run_dir: str
    users: int
    settle_s: float
    duration_s: float
    limits_ms: tuple[float, ...] = ()
    """The latencies that objectives allow: bounds of the exporter's buckets."""
    sides: tuple[Side, ...] = ()
    """Of a duet, the first of them in `run_dir`; else none."""

    @property
    def names(self) -> dict[str, str]:
        """Return the ids of the sweep and the run."""
        run = Path(self.run_dir)
        return {"sweep_id": SweepDir(run.parent).id, "run": run.name}

    def to_variable(self) -> dict[str, str]:
        """Return the environment variable that carries the order."""
        return {ORDER_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Order | None:
        """Return the order given to this process; a worker that was started by hand has none."""
        order = os.environ.get(ORDER_VARIABLE)
        if not order:
            return None
        fields = json.loads(order)
        return cls(**{**fields, "sides": tuple(Side(**side) for side in fields["sides"])})


@dataclass(slots=True)
class SourceAccount:
    """What one source has delivered. `last_second` is the last whole second since the run's start that it told of."""

    pid: int = 0
    last_second: int | None = None
    recorded: int = 0
    finished: int = 0
    locust_finished: int = 0
    unanswered: int = 0
    unstamped: int = 0
    untimed: int = 0
    misdated: int = 0
    stats_resets: int = 0
    task_exceptions: int = 0
    clock_step_ms: float = 0.0
    strayed: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)
    faults: int = 0
    first_fault: str = ""
    complete: bool = False
    """It has told that there is no more to come."""


@dataclass(slots=True)
class Answer:
    """How far the run has come. Times are epoch seconds; the window is in seconds since `start`, a whole second."""

    start: int | None = None
    users_reached: int = 0
    window_start: int | None = None
    window_end: int | None = None
    sources: dict[str, SourceAccount] = field(default_factory=dict)
    locust_total: int | None = None
    """What Locust's own statistics of the whole run say, which a lost report of a worker makes wrong."""
    stats_resets: int = 0
    """How often the statistics of a master, which makes no requests itself, were reset."""
    faults: int = 0
    """Exceptions in the recorder of the process that writes, and the first of them."""
    first_fault: str = ""
    window_over: bool = False
    """The steady window has been measured to its planned end."""
    end: float | None = None
    """Set by the last write of a process that ended in order."""
    error: str | None = None
    exceptions: dict[str, int] = field(default_factory=dict)
    """Outside of requests and tasks, by text, in this process; those of workers are in their accounts."""
    locust_exceptions: dict[str, int] = field(default_factory=dict)
    """Those of Locust's own statistics and their files."""
    own_exit_code: int | None = None
    """What the locustfile itself has set."""
    suite: dict[str, Any] | None = None
    """What the locustfile is made of: see `perflab.record.suite`."""


def write_answer(run_dir: Path, answer: Answer) -> None:
    """Write the answer, whole or not at all."""
    path = run_dir / _ANSWER
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(asdict(answer)), encoding="utf-8")
    beside.replace(path)


def read_answer(run_dir: Path) -> Answer | None:
    """Return the answer so far."""
    try:
        fields = json.loads((run_dir / _ANSWER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    fields["sources"] = {name: SourceAccount(**account) for name, account in fields["sources"].items()}
    return Answer(**fields)


def remove_answer(run_dir: Path) -> None:
    """Remove the hidden file of a run that is over."""
    # A process killed while it was writing leaves the file beside its answer too.
    for path in run_dir.glob(".recorder*"):
        path.unlink()
