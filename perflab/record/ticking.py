"""What every role of the recorder has in common: it does something at the end of each second."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from typing import Any

import gevent
from locust.env import Environment

from perflab.record import wire

# What workers and master tell each other, beside Locust's own messages.
ROWS, TAKEN, STOP = "perflab_rows", "perflab_taken", "perflab_stop"


class Ticking(ABC):
    """Does something at the end of every second, and ends with the process that started this one if it is `watched`."""

    def __init__(self, environment: Environment, *, watched: bool) -> None:
        self._environment = environment
        self._runner: Any = environment.runner
        self._watched = watched
        self._parent = os.getppid()
        self._stamping = wire.keep_stamping()

    def _tick_for_ever(self) -> None:
        while True:
            gevent.sleep(math.floor(time.time()) + 1 - time.time())
            try:
                self._tick(int(time.time()) - 1)
            finally:
                if self._watched and os.getppid() != self._parent:
                    # Whoever started this process is gone: nobody waits for the result, and load must not go on.
                    os._exit(1)

    @abstractmethod
    def _tick(self, second: int) -> None:
        """Act on epoch second `second`, which has just ended."""
