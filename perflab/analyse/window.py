"""Which seconds lie in a window."""

from __future__ import annotations

import math

from perflab.store.manifest import Window


def whole_seconds(window: Window | None) -> range:
    """Return the seconds that lie wholly inside the steady window; empty without a window.

    Requests are recorded by the whole second they began in. A second that the window only touches would bring
    in requests from outside it, and would make requests per second depend on where in a second a run started.
    """
    if window is None:
        return range(0)
    # To the millisecond: a start of 20.0000000001 is 20.
    return range(math.ceil(round(window.start, 3)), max(math.floor(round(window.end, 3)), 0))
