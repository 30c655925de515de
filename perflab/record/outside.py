"""Exceptions outside of requests and tasks: of listeners, of `on_start` and `on_stop`, of the locustfile's greenlets.

Locust or gevent prints them, and the run goes on without what they have cut short. Here they are counted by their text.
"""

from __future__ import annotations

import logging
import sys
import sysconfig
import threading
from functools import wraps
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Any

import locust.log
from gevent.hub import Hub
from locust.event import EventHook
from locust.stats import StatsCSVFileWriter
from locust.user.task import TaskSet

from perflab.text import discreet

# A listener of each request may fail in a new way each time.
MOST_TEXTS = 20
FURTHER_TEXTS = "further exceptions"
UNKNOWN = "an exception that is in locust.log"

_STATISTICS = StatsCSVFileWriter.stats_writer.__code__.co_filename
# Compiled modules, gevent's for one, give no path.
_LIBRARIES = ("src/", "<", *{sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})
# Where Locust catches what others have raised, and logs it.
_CATCHERS = {EventHook.fire.__code__.co_filename, TaskSet.run.__code__.co_filename}


class OutsideExceptions(logging.Handler):
    """Counts this process's exceptions outside of requests and tasks in `seen`, by text.

    Those of Locust's own statistics and their files, of which perflab uses nothing, are in `of_locust`.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: dict[str, int] = {}
        self.of_locust: dict[str, int] = {}

    def install(self) -> None:
        """Count exceptions of greenlets and threads from now on."""
        Hub.handle_error = self._counting(Hub.handle_error)
        threading.excepthook = self._counting_threads(threading.excepthook)

    def attach(self) -> None:
        """Count exceptions of listeners from now on; Locust's own set-up of the log removes all handlers."""
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Count what Locust says that it has caught: it says so while it handles the exception."""
        kind, error, trace = sys.exc_info()
        if error is not None and record.name == "root" and record.pathname in _CATCHERS:
            self._count(kind, error, trace)

    def finish(self) -> dict[str, int]:
        """Return what was seen, at the end: Locust may know of an exception that it was kept from logging."""
        if locust.log.unhandled_greenlet_exception and not self.seen and not self.of_locust:
            self.seen[UNKNOWN] = 1
        return self.seen

    def _counting(self, handle_error: Any) -> Any:
        @wraps(handle_error)
        def handle(hub: Hub, context: Any, kind: Any, error: Any, trace: Any) -> Any:
            # What ends a greenlet or the process on purpose is no Exception.
            if isinstance(error, Exception) and not issubclass(kind, hub.NOT_ERROR):
                self._count(kind, error, trace)
            return handle_error(hub, context, kind, error, trace)

        return handle

    def _counting_threads(self, excepthook: Any) -> Any:
        @wraps(excepthook)
        def handle(failed: threading.ExceptHookArgs) -> None:
            if isinstance(failed.exc_value, Exception):
                self._count(failed.exc_type, failed.exc_value, failed.exc_traceback)
            excepthook(failed)

        return handle

    def _count(self, kind: Any, error: BaseException, trace: TracebackType | None) -> None:
        frames = extract_tb(trace)
        own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
        text = discreet(f"{kind.__name__}: {error}")
        if own:
            text += f" ({Path(own[-1].filename).name}, line {own[-1].lineno}, in {own[-1].name})"
        of_locust = not own and any(frame.filename == _STATISTICS for frame in frames)
        counts = self.of_locust if of_locust else self.seen
        if text not in counts and len(counts) >= MOST_TEXTS:
            text = FURTHER_TEXTS
        counts[text] = counts.get(text, 0) + 1
