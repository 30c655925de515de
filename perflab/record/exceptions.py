"""Exceptions outside of requests and tasks: of listeners, of `on_start` and `on_stop`, of the locustfile's greenlets.

Locust or gevent prints them, and the run goes on without what they have cut short. Here they are counted by their text.
What somebody collects, by waiting for a greenlet, by a link to it, or by asking for its result later, is theirs to
judge: gevent prints it too, but it is not counted.
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

# A listener of each request may fail in a new way each time.
MAX_TEXTS = 20
FURTHER_TEXTS = "further exceptions"
UNKNOWN = "an exception that is in locust.log"
# Each is kept with all that its frames hold.
MAX_PENDING = 100

_STATISTICS = StatsCSVFileWriter.stats_writer.__code__.co_filename
# Compiled modules, gevent's for one, give no path.
_COMPILED = ("src/", "<")
_LOCUST = str(Path(locust.log.__file__).parent) + os.sep
# perflab itself may be installed from a working tree.
_PERFLAB = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = (*_COMPILED, _PERFLAB, *{sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})
_POOLS = Group.map.__code__.co_filename
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
        self._pending: deque[tuple[Any, BaseException, TracebackType | None]] = deque()

    def install(self) -> None:
        """Count exceptions of greenlets and threads from now on."""
        Hub.handle_error = self._counting(Hub.handle_error)
        threading.excepthook = self._counting_threads(threading.excepthook)

    def attach(self) -> None:
        """Count exceptions of listeners from now on; Locust's own set-up of the log removes all handlers."""
        logging.getLogger().addHandler(self)

    def contain(self, hook: EventHook) -> None:
        """Count what a listener raises to end a user, StopUser for one: it would end Locust's ending of the test."""
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
        """Count what Locust says that it has caught: it says so while it handles the exception."""
        kind, error, trace = sys.exc_info()
        if error is not None and record.name == "root" and record.pathname in _CATCHERS:
            self._count(kind, error, trace)

    def finish(self) -> dict[str, int]:
        """Return what was seen, at the end: Locust may know of an exception that it was kept from logging."""
        while self._pending:
            self._settle()
        if locust.log.unhandled_greenlet_exception and not self.seen and not self.of_locust:
            self.seen[UNKNOWN] = 1
        return self.seen

    def _counting(self, handle_error: Any) -> Any:
        @wraps(handle_error)
        def handle(hub: Hub, context: Any, kind: Any, error: Any, trace: Any) -> Any:
            # What ends a greenlet or the process on purpose is no Exception.
            if isinstance(error, Exception) and not issubclass(kind, hub.NOT_ERROR) and not _is_awaited(context, trace):
                self._pending.append((kind, error, error.__traceback__))
                if len(self._pending) > MAX_PENDING:
                    self._settle()
            return handle_error(hub, context, kind, error, trace)

        return handle

    def _counting_threads(self, excepthook: Any) -> Any:
        @wraps(excepthook)
        def handle(failed: threading.ExceptHookArgs) -> None:
            if isinstance(failed.exc_value, Exception):
                self._count(failed.exc_type, failed.exc_value, failed.exc_traceback)
            excepthook(failed)

        return handle

    def _settle(self) -> None:
        """Count the first that is pending, unless it was raised again: whoever asks for a result does that."""
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
            text = FURTHER_TEXTS
        counts[text] = counts.get(text, 0) + 1


class _Links(list[Any]):
    """Looks like none of a greenlet's links to `unlink`, and is told of each: gevent doesn't show them otherwise."""

    def __eq__(self, link: object) -> bool:
        self.append(link)
        return False

    __hash__ = None


def _is_awaited(context: object, trace: TracebackType | None) -> bool:
    """Say whether somebody waits for a failed greenlet or has linked to it: a pool's own link is none.

    Locust waits for its own greenlets, its users' among them, to end, however they do. Who maps is told of the first
    failure, and has then asked for all.
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
