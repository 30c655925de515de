"""What a sweep tells while it runs: to a person a live line on a terminal, a chart in a notebook or plain lines, and to
log stores a file of JSON lines."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Literal

from perflab.drive.events import Event, Listener
from perflab.progress.log import SweepLog

__all__ = ["Style", "SweepLog", "show_progress", "together"]

Style = Literal["auto", "terminal", "notebook", "plain", "none"]


@contextlib.contextmanager
def show_progress(style: Style = "auto") -> Iterator[Listener]:
    """Yield a listener that shows a sweep's events; ``auto`` picks what the place can show."""
    if style == "auto":
        style = _fitting()
    if style == "terminal":
        from perflab.progress.terminal import TerminalProgress

        progress = TerminalProgress()
        with progress.bar:
            yield progress
    elif style == "notebook":
        from perflab.progress.notebook import NotebookProgress

        yield NotebookProgress()
    elif style == "plain":
        from perflab.progress.plain import PlainProgress

        yield PlainProgress(sys.stdout if _kernel() else sys.stderr)
    else:
        yield _nothing


def together(*listeners: Listener) -> Listener:
    """Return a listener that passes each event on to all of `listeners`, in their order."""

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen


def _nothing(event: Event) -> None:
    """Show nothing."""


def _fitting() -> Style:
    if (kernel := _kernel()) is not None:
        return "notebook" if _is_person_at(kernel) else "plain"
    # A dumb terminal (an editor's, say) can't redraw a line: it would show nothing between start and end of a run.
    return "terminal" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "plain"


def _kernel() -> Any:
    """Return the Jupyter kernel this code runs in, None outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)


def _is_person_at(kernel: Any) -> bool:
    """Say whether a front end with a person drives the kernel: papermill and nbconvert never allow input."""
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin"))
