"""What perflab tells the recorder inside Locust, and what the recorder tells back, while a run lasts.

The order travels in an environment variable; each recording process answers in a hidden file of its own beside the
run's tables. Once the run is over, what matters of it stands in ``run.json`` and the hidden files are removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

ORDER_VARIABLE = "PERFLAB_RECORD"


@dataclass(frozen=True, slots=True)
class Order:
    """What to record: the run's folder, the users that the run wants, settling and steady state in seconds."""

    run_dir: str
    users: int
    settle_s: float
    duration_s: float

    def to_variable(self) -> dict[str, str]:
        """Return the environment variable that carries the order."""
        return {ORDER_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Order:
        """Return the order given to this process."""
        return cls(**json.loads(os.environ[ORDER_VARIABLE]))


@dataclass(slots=True)
class Answer:
    """How far one recording process has come. Times are epoch seconds; the window is in seconds since `start`."""

    source: str = "local"
    start: float | None = None
    users_reached: int = 0
    window_start: int | None = None
    window_end: int | None = None
    requests_recorded: int = 0
    requests_finished: int | None = None
    in_flight_at_end: int = 0
    task_exceptions: int = 0
    window_over: bool = False
    """The steady window has been measured to its planned end."""
    end: float | None = None
    """Set by the last write of a process that ended in order."""
    error: str | None = None


def write_answer(run_dir: Path, answer: Answer) -> None:
    """Write one process's answer, whole or not at all."""
    path = run_dir / f".recorder-{answer.source}.json"
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(asdict(answer)), encoding="utf-8")
    beside.replace(path)


def read_answers(run_dir: Path) -> list[Answer]:
    """Return the answers of all recording processes so far."""
    return [Answer(**json.loads(path.read_text(encoding="utf-8"))) for path in _files(run_dir)]


def remove_answers(run_dir: Path) -> None:
    """Remove the hidden files of a run that is over."""
    # A process killed while it was writing leaves the file beside its answer too.
    for path in run_dir.glob(".recorder-*"):
        path.unlink()


def _files(run_dir: Path) -> Iterable[Path]:
    return sorted(run_dir.glob(".recorder-*.json"))
