"""Listening to Locust's events before anybody else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from locust.event import EventHook


def listen_first(hook: EventHook, listener: Callable[..., Any]) -> None:
    """Have `listener` called before all others of an event, those that come later included.

    A listener that raises RescheduleTask, StopUser and the like, as a locustfile's may, ends the event: whoever comes
    after it is not called.
    """
    # Locust only appends, and has no other way to be the first.
    hook._handlers.insert(0, listener)
