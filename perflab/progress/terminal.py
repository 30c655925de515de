"""Progress on a terminal: finished runs as lines, the current one as a live line with a bar."""

from __future__ import annotations

from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from perflab.drive.events import Event, Progress, RunFinished, RunStarted, SweepStarted
from perflab.progress import words
from perflab.progress.console import PlainConsole

WIDE = 120


class TerminalProgress:
    """Shows a sweep on a terminal's stderr, as long as its `bar`, a context, is open."""

    def __init__(self) -> None:
        self._console = PlainConsole(stderr=True, highlight=False)
        # On a narrow terminal the figures need the room.
        bar = [BarColumn(bar_width=20)] if self._console.width >= WIDE else []
        self.bar = Bar(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            *bar,
            TextColumn("{task.fields[figures]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._run = ""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, SweepStarted):
            self._console.print(words.started(event), markup=False)
        elif isinstance(event, RunStarted):
            self._run = words.run_name(event)
            self._task = self.bar.add_task(self._run, total=1.0, figures="starting Locust")
        elif isinstance(event, Progress) and self._task is not None:
            run_left = max(0.0, event.run_s - event.elapsed_s)
            done = event.elapsed_s / max(1e-9, event.elapsed_s + run_left)
            self.bar.update(self._task, completed=done, figures=words.progress(event))
        elif isinstance(event, RunFinished) and self._task is not None:
            self.bar.remove_task(self._task)
            mark = "✓" if event.manifest.status == "complete" else "✗"
            self._console.print(f"{mark} {self._run}: {words.finished(event)}", markup=False)
