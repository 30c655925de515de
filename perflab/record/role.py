"""What every role of the recorder has in common: it listens to Locust without disturbing it, and acts once a second."""

from __future__ import annotations

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
    """Exceptions in the recorder's own code so far: how many, and what the first of them was.

    Neither the load test nor the recording of what follows may end because perflab has a defect: they are caught in
    this one place, and reported with the result.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def guard(self, act: Callable[P, T]) -> Callable[P, T | None]:
        """Return `act` as a function that raises nothing: it returns None where `act` fails."""

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
    """Have `listener` called before all others of an event, those that are added later included.

    A listener that raises RescheduleTask, StopUser and the like, as a locustfile's may, ends the event: whoever comes
    after it is not called.
    """
    # Locust only appends, and has no other way to be the first.
    hook._handlers.insert(0, listener)


def listen_last(hook: EventHook, listener: Callable[..., Any]) -> None:
    """Have `listener` called after all others of an event, even where one of them ends the event, or the process."""
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

    def _tick_for_ever(self) -> None:
        tick = self._faults.guard(self._tick)
        while True:
            due = math.floor(time.time()) + 1
            gevent.sleep(due - time.time())
            if time.time() >= due + 1:
                # The process was held up for more than a second. Others are to wake up first, and to say how late.
                gevent.sleep(0)
            tick(int(time.time()) - 1)
            if self._watched and os.getppid() != self._parent:
                # Whoever started this process is gone: nobody waits for the result, and load must not go on.
                os._exit(1)

    def _listen(self, hook: EventHook, listener: Callable[..., Any]) -> None:
        """Have `listener` called first of all at an event, and whatever it raises kept from Locust."""
        listen_first(hook, self._faults.guard(listener))

    @abstractmethod
    def _tick(self, second: int) -> None:
        """Act on epoch second `second`, which has just ended."""
