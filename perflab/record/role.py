"""What all roles of the recorder share: they listen to Locust without disturbing it, and act once a second."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import gevent

from perflab.record import wire
from perflab.record.outcome import message_of

if TYPE_CHECKING:
    from locust.env import Environment
    from locust.event import EventHook

P = ParamSpec("P")
T = TypeVar("T")

# The messages between workers and master, beside Locust's own.
ROWS, TAKEN, STOP = "perflab_rows", "perflab_taken", "perflab_stop"


class Faults:
    """Exceptions in the recorder's own code so far: how many there were, and the first of them.

    A defect of perflab must end neither the load test nor the recording, so its exceptions are caught here and
    reported with the result.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def guard(self, act: Callable[P, T]) -> Callable[P, T | None]:
        """Return a function that does the same as `act` but never raises: it returns None if `act` fails."""

        @wraps(act)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T | None:
            try:
                return act(*args, **kwargs)
            except Exception as error:
                self.count += 1
                if not self.first:
                    at = traceback.extract_tb(error.__traceback__)[-1]
                    self.first = f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {message_of(error)}"
                    logging.getLogger(__name__).error("perflab's recorder failed: %s", self.first, exc_info=error)
                return None

        return guarded


def listen_first(hook: EventHook, listener: Callable[..., Any]) -> None:
    """Have `listener` called before all other listeners of an event, including those added later.

    A locustfile's listener may raise RescheduleTask, StopUser and the like, which ends the event: listeners after it
    are not called.
    """
    # Locust itself only appends listeners.
    hook._handlers.insert(0, listener)


def listen_last(hook: EventHook, listener: Callable[..., Any]) -> None:
    """Have `listener` called after all other listeners of an event, even if one ends the event or the process."""
    fire: Callable[..., None] = hook.fire

    @wraps(fire)
    def fire_and_listen(**kwargs: Any) -> None:
        try:
            fire(**kwargs)
        finally:
            listener(**kwargs)

    hook.fire = fire_and_listen  # type: ignore[method-assign]


class Role(ABC):
    """Acts at the end of every second, and ends with the process that started this one if it is `watched`."""

    def __init__(self, environment: Environment, faults: Faults, *, watched: bool) -> None:
        self._environment = environment
        self._faults = faults
        self._runner: Any = environment.runner
        self._watched = watched
        self._parent = os.getppid()
        self._stamping = wire.keep_stamping()

    def start(self) -> None:
        """Start listening to this environment's events, and acting."""
        # After all other listeners, because what they do and raise is part of the run's record too.
        listen_last(self._environment.events.quit, self._faults.guard(self._on_quit))
        gevent.spawn(self._tick_for_ever)

    def _tick_for_ever(self) -> None:
        tick = self._faults.guard(self._tick)
        while True:
            due = math.floor(time.time()) + 1
            gevent.sleep(due - time.time())
            if time.time() >= due + 1:
                # The process was held up for more than a second: let others wake up first and report how late.
                gevent.sleep(0)
            tick(int(time.time()) - 1)
            if self._watched and os.getppid() != self._parent:
                # perflab is gone: nobody waits for the result, and the load must not go on.
                os._exit(1)

    def _listen(self, hook: EventHook, listener: Callable[..., Any]) -> None:
        """Have `listener` called first at an event, and keep from Locust whatever it raises."""
        listen_first(hook, self._faults.guard(listener))

    def _send(self, message: str, data: dict[str, Any], to: str | None = None) -> None:
        """Send a message to the master, or from it to a worker; none is sent while the connection is down."""
        # Not at the top: Locust changes the standard library, and not every process that writes tables wants that.
        from locust.exception import RPCError

        # Whatever matters is sent again later, by this side or by the other.
        with contextlib.suppress(RPCError):
            self._runner.send_message(message, data, client_id=to)

    @abstractmethod
    def _tick(self, second: int) -> None:
        """Act on epoch second `second`, which has just ended."""

    @abstractmethod
    def _on_quit(self, **_: Any) -> None:
        """Act when the process ends."""
