"""``load_test.log``: a sweep told as JSON lines with the fields of Elastic's Common Schema, for log stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from perflab.drive.events import Event, Progress, RunFinished, RunStarted, SweepStarted
from perflab.drive.tail import TableTail
from perflab.progress import words
from perflab.progress.ecs import LogFile, open_logger
from perflab.progress.plain import EVERY_S
from perflab.store.layout import RunDir
from perflab.store.manifest import Status
from perflab.store.tables import FAILURE_COLUMNS
from perflab.vocabulary.redact import beginning, redact
from perflab.vocabulary.verdict import Verdict

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

# A target that fails all the time must not fill the disk: what repeats is told a few times, and the rest is counted.
MAX_LINES_A_KIND = 3
MAX_LINES_A_RUN = 200

Level = Literal["info", "warning", "error"]


class SweepLog:
    """Listens to a sweep and writes its log; as a context it also tells what ended the sweep too early.

    The file is in the sweep's folder, so nothing is written before there is one. A log that can't be written is given
    up, with a line on stderr: the sweep goes on.

        with SweepLog() as log:
            run_sweep(..., listen=log)
            log.finished("complete")
            log.judged(Verdict.PASS, reasons=[], notes=[])
    """

    def __init__(self) -> None:
        self._file: LogFile | None = None
        self._sweep: FilteringBoundLogger | None = None
        self._run: FilteringBoundLogger | None = None
        self._failures: _FailureSample | None = None
        self._seen = 0

    def __enter__(self) -> SweepLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._interrupted(error)
        if self._file is not None:
            self._file.close()

    def __call__(self, event: Event) -> None:
        """Log one event."""
        if isinstance(event, SweepStarted):
            self._start_sweep(event)
        elif isinstance(event, RunStarted):
            self._start_run(event)
        elif isinstance(event, Progress):
            self._take_failures()
            # The first second has no figures yet.
            if self._seen % EVERY_S == 1:
                self._tell_progress(event)
            self._seen += 1
        elif isinstance(event, RunFinished):
            self._finish_run(event)

    def finished(self, status: Status) -> None:
        """Log that the sweep is over."""
        level, outcome = _of_status(status)
        self._write(level, "sweep-finished", f"sweep {status}", {"event.outcome": outcome}, status=status)

    def judged(self, verdict: Verdict, reasons: Iterable[str], notes: Iterable[str]) -> None:
        """Log the verdict and what it rests on."""
        self._write(
            verdict.log_level,
            "sweep-judged",
            f"verdict: {verdict}",
            {"event.outcome": verdict.outcome},
            verdict=verdict,
            reasons=list(reasons),
            notes=list(notes),
        )

    def _interrupted(self, error: BaseException) -> None:
        self._end_failures()
        name = type(error).__name__
        action = "sweep-failed" if isinstance(error, Exception) else "sweep-interrupted"
        message = redact(beginning(str(error))) or None
        fields = {"event.outcome": "failure", "error.type": name, "error.message": message}
        self._write("error", action, f"{action.replace('-', ' ')} by {name}; what was recorded is kept", fields)

    def _start_sweep(self, event: SweepStarted) -> None:
        self._file = LogFile(event.sweep.load_test_log)
        self._sweep = open_logger(self._file, event.sweep.id)
        plan = event.plan.without_secrets()
        planned = plan.model_dump(mode="json", exclude={"host", "launch"})
        self._write(
            "info",
            "sweep-started",
            words.started(event),
            {"url.full": event.host},
            launch=plan.launch,
            managed=plan.launch is not None,
            **{f"plan.{name}": value for name, value in planned.items()},
        )

    def _start_run(self, event: RunStarted) -> None:
        if self._sweep is None:
            return
        self._run = self._sweep.bind(**{"labels.run": event.run.name})
        self._failures, self._seen = _FailureSample(event.run), 0
        self._write(
            "info",
            "run-started",
            words.run_name(event),
            users_wanted=event.level.users,
            repeat=event.repeat,
            number=event.number,
            runs=event.runs,
        )

    def _tell_progress(self, event: Progress) -> None:
        self._write(
            "info",
            "run-progress",
            words.progress(event),
            phase=event.phase,
            users=event.users,
            users_wanted=event.users_wanted,
            elapsed_s=round(event.elapsed_s, 1),
            left_s=round(event.left_s, 1),
            requests=event.requests,
            failures=event.failures,
            rps=round(event.rps, 1),
            p95_ms=event.p95_ms,
        )

    def _take_failures(self) -> None:
        if self._failures is None:
            return
        for row in self._failures.take():
            status = row["status"]
            fields = {
                "event.outcome": "failure",
                "http.request.method": row["method"],
                "http.response.status_code": int(status) if status.isdecimal() else None,
                "error.type": row["outcome"],
                "error.message": row["message"],
            }
            self._write(
                "warning",
                "request-failed",
                f"{row['outcome']} at {row['method']} {row['name']}",
                fields,
                request_name=row["name"],
                second=int(row["second"]),
                count=int(row["count"]),
            )

    def _end_failures(self) -> None:
        """Log the failures that are still to come, and how many were not logged one by one."""
        self._take_failures()
        if self._failures is not None and (left_out := self._failures.left_out):
            message = f"{left_out} more failed requests were not logged one by one; failures.csv has them all"
            self._write("warning", "failures-suppressed", message, failures_suppressed=left_out)
        self._failures = None

    def _finish_run(self, event: RunFinished) -> None:
        self._end_failures()
        manifest, evidence = event.manifest, event.manifest.evidence
        level, outcome = _of_status(manifest.status)
        self._write(
            level,
            "run-finished",
            words.finished(event),
            {"event.outcome": outcome, "error.message": evidence.error},
            status=manifest.status,
            users_wanted=manifest.level.users,
            users_reached=evidence.users_reached,
            requests=evidence.requests_recorded,
            unanswered=evidence.unanswered,
            task_exceptions=evidence.task_exceptions,
            target_lost=evidence.target_lost,
        )
        self._run = None

    def _write(
        self, level: Level, action: str, message: str, fields: Mapping[str, object] | None = None, **own: object
    ) -> None:
        """Write a line: `fields` are of the schema, `own` ones get a namespace of their own; None is left out."""
        logger = self._run or self._sweep
        if logger is None:
            return
        named = {"event.action": action, **(fields or {}), **{f"perflab.{name}": value for name, value in own.items()}}
        getattr(logger, level)(message, **{name: value for name, value in named.items() if value is not None})


class _FailureSample:
    """Follows a run's ``failures.csv`` and chooses what of it is logged."""

    def __init__(self, run: RunDir) -> None:
        self._table = TableTail(run.failures)
        self._kinds: Counter[tuple[str, ...]] = Counter()
        self._lines = 0
        self.left_out = 0
        """Failed requests that no chosen row stands for."""

    def take(self) -> list[dict[str, str]]:
        """Return the rows to be logged of those that have come since the last call."""
        chosen = []
        for row in self._table.rows(FAILURE_COLUMNS):
            kind = (row["method"], row["name"], row["outcome"], row["message"])
            if self._lines < MAX_LINES_A_RUN and self._kinds[kind] < MAX_LINES_A_KIND:
                self._kinds[kind] += 1
                self._lines += 1
                chosen.append(row)
            else:
                self.left_out += int(row["count"])
        return chosen


def _of_status(status: Status) -> tuple[Level, str]:
    return ("info", "success") if status == "complete" else ("error", "failure")
