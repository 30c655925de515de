"""What goes wrong in the recorder's own code: caught in this one place, counted, and told with the result.

Neither the load test nor the recording of what follows may end because perflab has a defect.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from perflab.record.outcome import message_of

P = ParamSpec("P")
T = TypeVar("T")


class Faults:
    """Exceptions of the recorder so far: how many, and what the first of them was."""

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
