"""Listening to Locust's events before anybody else does, or after everybody else did."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from locust.event import EventHook


def listen_first(hook: EventHook, listener: Callable[..., Any]) -> None:
    """Have `listener` called before all others of an event, those that come later included.

    A listener that raises RescheduleTask, StopUser and the like, as a locustfile's may, ends the event: whoever comes
    after it is not called.
    """
    # Locust only appends, and has no other way to be the first.
    hook._handlers.insert(0, listener)


def listen_last(hook: EventHook, listener: Callable[..., Any]) -> None:
    """Have `listener` called after all others of an event, even where one of them ends the event, or the process."""
    fire: Callable[..., None] = hook.fire

    @wraps(fire)
    def fire_and_tell(**kwargs: Any) -> None:
        try:
            fire(**kwargs)
        finally:
            listener(**kwargs)

    hook.fire = fire_and_tell  # type: ignore[method-assign]
