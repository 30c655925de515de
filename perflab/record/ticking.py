"""What every role of the recorder has in common: it does something at the end of each second."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import gevent
from locust.env import Environment
from locust.event import EventHook

from perflab.record import wire
from perflab.record.faults import Faults
from perflab.record.listening import listen_first

# What workers and master tell each other, beside Locust's own messages.
ROWS, TAKEN, STOP = "perflab_rows", "perflab_taken", "perflab_stop"


class Ticking(ABC):
    """Does something at the end of every second, and ends with the process that started this one if it is `watched`."""

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
