"""Python's cycle collector, kept from walking through thousands of users that stay.

Each user is some hundred objects, and while the collector looks at all of them, a tenth of a second with some thousand
users, nobody gets on. By default a collection is due whenever 700 more objects were made than freed, which a few
requests under way are. Here it is due later, and what is there when all users run is not looked at again.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust.env import Environment

# As many objects as some hundred requests under way are made of; if all of them were garbage, some MB.
YOUNG_OBJECTS = 20_000


def install() -> None:
    """Collect more rarely from now on; what the locustfile has decided for itself stays, if it is rarer still."""
    young, *older = gc.get_threshold()
    if 0 < young < YOUNG_OBJECTS:
        gc.set_threshold(YOUNG_OBJECTS, *older)


def spare_users(environment: Environment) -> None:
    """Leave out what is there when all users of this environment run, for as long as they do."""
    environment.events.spawning_complete.add_listener(_freeze)
    # Plain Locust may be started and stopped as often as one likes: the users of each test would stay in memory.
    environment.events.test_stop.add_listener(_release)


def _freeze(**_: Any) -> None:
    if gc.isenabled():
        # Once more now, because garbage would stay too. It takes a while, and the users have yet to settle.
        gc.collect()
        gc.freeze()


def _release(**_: Any) -> None:
    gc.unfreeze()
