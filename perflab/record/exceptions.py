"""Exceptions outside of requests and tasks: in listeners, `on_start`, `on_stop`, and the locustfile's own greenlets.

Locust or gevent prints them, and the run goes on without whatever they interrupted. Here they are counted by text. An
exception that the locustfile collects, by joining a greenlet, linking to it, or getting its result later, is its own
business: gevent prints it too, but it is not counted.
"""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
import threading
from collections import deque
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from traceback import extract_tb, walk_tb
from types import TracebackType
from typing import Any

import locust.log
from gevent import Greenlet
from gevent.hub import Hub
from gevent.pool import Group
from locust.event import EventHook
from locust.stats import StatsCSVFileWriter
from locust.user.task import TaskSet

from perflab.record.outcome import message_of
from perflab.vocabulary.text import one_line

# A listener may fail in a new way at each request.
MAX_TEXTS = 20
OTHER_TEXTS = "other exceptions"
UNKNOWN = "an exception that is in locust.log"
# Each is kept with everything that its frames hold.
MAX_PENDING = 100

_STATISTICS = StatsCSVFileWriter.stats_writer.__code__.co_filename
# Compiled modules, such as gevent's, have no path.
_COMPILED = ("src/", "<")
_LOCUST = str(Path(locust.log.__file__).parent) + os.sep
# perflab itself may be installed from a working tree.
_PERFLAB = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = (*_COMPILED, _PERFLAB, *{sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})
_POOLS = Group.map.__code__.co_filename
# Where Locust catches exceptions of others and logs them.
_CATCHERS = {EventHook.fire.__code__.co_filename, TaskSet.run.__code__.co_filename}


class OutsideExceptions(logging.Handler):
    """Counts this process's exceptions outside of requests and tasks in `seen`, by text.

    Those in Locust's own statistics and their files, which perflab doesn't use, are in `of_locust`.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: dict[str, int] = {}
        self.of_locust: dict[str, int] = {}
        self._pending: deque[tuple[Any, BaseException, TracebackType | None]] = deque()

    def install(self) -> None:
        """Count exceptions of greenlets and threads from now on."""
        Hub.handle_error = self._counting(Hub.handle_error)
        threading.excepthook = self._counting_threads(threading.excepthook)

    def attach(self) -> None:
        """Count exceptions of listeners from now on; Locust's set-up of the log would remove an earlier handler."""
        logging.getLogger().addHandler(self)

    def contain(self, hook: EventHook) -> None:
        """Count and contain what a listener raises to end a user, say StopUser: it would abort Locust's shutdown."""
        fire: Callable[..., None] = hook.fire

        @wraps(fire)
        def contained(**kwargs: Any) -> None:
            try:
                fire(**kwargs)
            except Exception as error:
                self._count(type(error), error, error.__traceback__)
                logging.getLogger(__name__).exception("an event was ended by its listener")

        hook.fire = contained  # type: ignore[method-assign]

    def emit(self, record: logging.LogRecord) -> None:
        """Count exceptions that Locust has caught: it logs them while it handles them."""
        kind, error, trace = sys.exc_info()
        if error is not None and record.name == "root" and record.pathname in _CATCHERS:
            self._count(kind, error, trace)

    def finish(self) -> dict[str, int]:
        """Return the exceptions at the end, with one that Locust knows of but was kept from logging."""
        while self._pending:
            self._count_pending()
        if locust.log.unhandled_greenlet_exception and not self.seen and not self.of_locust:
            self.seen[UNKNOWN] = 1
        return self.seen

    def _counting(self, handle_error: Any) -> Any:
        @wraps(handle_error)
        def handle(hub: Hub, context: Any, kind: Any, error: Any, trace: Any) -> Any:
            # What ends a greenlet or the process on purpose is not an Exception.
            if isinstance(error, Exception) and not issubclass(kind, hub.NOT_ERROR) and not _is_awaited(context, trace):
                self._pending.append((kind, error, error.__traceback__))
                if len(self._pending) > MAX_PENDING:
                    self._count_pending()
            return handle_error(hub, context, kind, error, trace)

        return handle

    def _counting_threads(self, excepthook: Any) -> Any:
        @wraps(excepthook)
        def handle(failed: threading.ExceptHookArgs) -> None:
            if isinstance(failed.exc_value, Exception):
                self._count(failed.exc_type, failed.exc_value, failed.exc_traceback)
            excepthook(failed)

        return handle

    def _count_pending(self) -> None:
        """Count the oldest pending exception, unless it was raised again: that happens when its result is fetched."""
        kind, error, trace = self._pending.popleft()
        if error.__traceback__ is trace:
            self._count(kind, error, trace)

    def _count(self, kind: Any, error: BaseException, trace: TracebackType | None) -> None:
        frames = extract_tb(trace)
        own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
        text = one_line(f"{kind.__name__}: {message_of(error)}")
        if own:
            text += f" ({Path(own[-1].filename).name}, line {own[-1].lineno}, in {own[-1].name})"
        of_locust = not own and any(frame.filename == _STATISTICS for frame in frames)
        counts = self.of_locust if of_locust else self.seen
        if text not in counts and len(counts) >= MAX_TEXTS:
            text = OTHER_TEXTS
        counts[text] = counts.get(text, 0) + 1


class _Links(list[Any]):
    """Equals none of a greenlet's links in `unlink`, and so collects them: gevent has no other way to list them."""

    def __eq__(self, link: object) -> bool:
        self.append(link)
        return False

    __hash__ = None


def _is_awaited(context: object, trace: TracebackType | None) -> bool:
    """Return whether somebody waits for a failed greenlet or has linked to it; a pool's own link doesn't count.

    Locust waits for its own greenlets, users included, whichever way they end. A caller of `map` gets the first failure
    raised, and has thereby asked for all of them.
    """
    files = (frame.f_code.co_filename for frame, _ in walk_tb(trace))
    first = next((file for file in files if not file.startswith(_COMPILED)), "")
    if not isinstance(context, Greenlet) or first.startswith(_LOCUST):
        return False
    links = _Links()
    context.unlink(links)
    awaited = any(not isinstance(getattr(link, "__self__", None), Group) for link in links)
    return awaited or _is_mapped(context.spawning_stack)


def _is_mapped(frame: Any) -> bool:
    while frame is not None and (frame.f_code.co_filename, frame.f_code.co_name) != (_POOLS, "__map"):
        frame = frame.f_back
    return frame is not None
