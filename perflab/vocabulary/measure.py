"""What a latency in ``latency.csv`` is of, and the one rule for whose clock a figure made of latencies goes by.

Each request has a sample of the client's time. One that got an answer has a sample of the wire's time too, if the
recorder knows it, and of its phases; a successful request without a wire time has its client time as a fallback.

Whoever reads samples asks a measure what it is, so that a new phase is one member here, and what records it
(`perflab.record.exchange`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag, StrEnum, auto
from typing import Any, TypeAlias


class Role(Flag):
    """What the samples of a measure are good for."""

    COUNTS = auto()
    """Every request has exactly one: they count the requests, and are their latency where the wire clock isn't used."""
    STAMPED = auto()
    """The latency by the wire clock, where the request has one."""
    FALLBACK = auto()
    """The latency that is used instead of it, of single requests without one."""
    PHASE = auto()
    """A part of a request: neither a request nor its latency."""


class Measure(StrEnum):
    """What a latency is of, as it is written in the column `measure`."""

    role: Role

    def __new__(cls, name: str, role: Role) -> Measure:  # noqa: D102
        member = str.__new__(cls, name)
        member._value_ = name
        member.role = role
        return member

    CLIENT = "client", Role.COUNTS
    FALLBACK = "fallback", Role.FALLBACK
    WIRE = "wire", Role.STAMPED
    CONNECT = "connect", Role.PHASE


CLIENT, FALLBACK, WIRE, CONNECT = Measure.CLIENT, Measure.FALLBACK, Measure.WIRE, Measure.CONNECT
PHASES = tuple(measure for measure in Measure if measure.role is Role.PHASE)
"""What the wire clock may tell of a request besides its latency."""
Measured: TypeAlias = tuple[float, Mapping[Measure, float] | None]
"""What the wire clock tells of a request, in ms: its latency, and those of its phases that are known; None for none."""
FORMER_NAMES = {"stand_in": FALLBACK.value}
"""Of measures, in files of earlier versions."""
_ROLES = {measure.value: measure.role for measure in Measure}


def role_of(name: str) -> Role:
    """Return the role of a measure as it is written; one that only a later version knows is taken as a phase."""
    return _ROLES.get(FORMER_NAMES.get(name, name), Role.PHASE)


# Single requests may lack their wire time and change nothing. Of so few that they have it, the others would be mistaken
# for the service's, and they alone would be a selection.
MIN_WIRE_COVERAGE = 0.99


def goes_by_wire(stamped: Any, answered: Any) -> Any:
    """Return whether latencies go by the wire clock: nearly all of the requests `answered` must be `stamped`.

    Then those few that are not count by the client's clock, their fallback; else all go by the client's. Takes numbers
    of requests, or arrays of them.
    """
    return (stamped > 0) & (stamped >= MIN_WIRE_COVERAGE * answered)


@dataclass(slots=True)
class LatencyCounts:
    """Weighted latencies of some requests by either clock, in ms, counted sample by sample."""

    by_client: Counter[float] = field(default_factory=Counter)
    by_wire: Counter[float] = field(default_factory=Counter)
    """Fallbacks included."""
    answered: int = 0
    stamped: int = 0

    def add(self, role: Role, latency_ms: float, count: int) -> None:
        """Count samples of a measure with this role."""
        if role is Role.COUNTS:
            self.by_client[latency_ms] += count
            self.answered += count
        elif role is not Role.PHASE:
            self.by_wire[latency_ms] += count
            self.stamped += count if role is Role.STAMPED else 0

    def judged(self, by_wire: bool | None = None) -> Counter[float]:
        """Return the latencies by the wire clock or the client's: if not said, by the one that these requests go by.

        Failed requests have no fallback, and go by the wire clock only where it knows all of them.
        """
        if by_wire is None:
            by_wire = goes_by_wire(self.stamped, self.answered) and self.by_wire.total() == self.answered
        return self.by_wire if by_wire else self.by_client
