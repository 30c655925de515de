"""Progress as plain flushed lines, for logs, CI and papermill."""

from __future__ import annotations

from typing import TextIO

from perflab.drive.events import Event, Progress, RunFinished, RunStarted, SweepStarted
from perflab.progress import words
from perflab.vocabulary.text import say

EVERY_S = 5


class PlainProgress:
    """Writes a line when something begins or ends, and every few seconds in between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._run = ""
        self._seen = 0

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, SweepStarted):
            say(words.started(event), self._stream)
        elif isinstance(event, RunStarted):
            self._run, self._seen = words.run_name(event), 0
        elif isinstance(event, Progress):
            if self._seen % EVERY_S == 1:
                say(f"{self._run}: {words.progress(event)}", self._stream)
            self._seen += 1
        elif isinstance(event, RunFinished):
            say(f"{self._run}: {words.finished(event)}", self._stream)
