"""What a latency in ``latency.csv`` is of, and the one rule for whose clock a figure made of latencies goes by.

Each request has a row of the client's time. One that got an answer has a row of the wire's time too, if the recorder
knows it, and of its phases; where a successful request has no wire time, the client's time stands in.
"""

from __future__ import annotations

from typing import Any

MEASURES = ("client", "wire", "connect", "stand_in")
CLIENT, WIRE, CONNECT, STAND_IN = MEASURES

# Single requests may lack their wire time and change nothing. Of so few that they have it, the others would be mistaken
# for the service's, and they alone would be a selection.
WIRE_COVERAGE = 0.99


def goes_by_wire(stamped: Any, answered: Any) -> Any:
    """Return whether latencies go by the wire clock: nearly all of the requests `answered` must be `stamped`.

    Then those few that are not count by the client's clock, which stands in; else all go by the client's. Takes numbers
    of requests, or arrays of them.
    """
    return (stamped > 0) & (stamped >= WIRE_COVERAGE * answered)
