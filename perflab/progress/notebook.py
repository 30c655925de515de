"""Progress in a notebook with a person in front of it: one line and a small chart, drawn anew in place."""

from __future__ import annotations

import html
from typing import Any

from IPython.display import HTML, display

from perflab.chart.live import live
from perflab.drive.events import Event, Progress, RunFinished, RunStarted, SweepStarted
from perflab.progress import words


class NotebookProgress:
    """Shows a sweep through display handles, which need no widgets and survive in the saved notebook."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._run = ""
        self._text: Any = display(HTML(""), display_id=True)
        self._chart: Any = display(HTML(""), display_id=True)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, SweepStarted):
            self._lines.append(words.started(event))
        elif isinstance(event, RunStarted):
            self._run = words.run_name(event)
            self._say(f"{self._run}: starting Locust")
        elif isinstance(event, Progress):
            self._say(f"{self._run}: {words.progress(event)}")
            # The last second is still coming in.
            if len(event.points) > 2:
                self._chart.update(live(event.points[:-1], self._run))
        elif isinstance(event, RunFinished):
            self._lines.append(f"{self._run}: {words.finished(event)}")
            self._say()
            self._chart.update(HTML(""))

    def _say(self, current: str = "") -> None:
        lines = [*self._lines, *([current] if current else [])]
        self._text.update(HTML("<br>".join(html.escape(line) for line in lines)))
