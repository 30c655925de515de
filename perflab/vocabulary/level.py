"""Levels: the amounts of load that runs are made at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering
from itertools import groupby


class LevelKind(StrEnum):
    """What the number of a level counts."""

    USERS = "users"

    def amount(self, values: str, *, one: bool = False) -> str:
        """Return the numbers followed by the unit, such as 100, 250 users."""
        return f"{values} {self.value[:-1] if one else self.value}"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One amount of load.

    Levels are ordered by kind, then value. A level equals its text, so that rows of a frame can be chosen by it:
    ``sweep.groups[sweep.groups["level"] == "100 users"]``.
    """

    kind: LevelKind
    value: int

    def __post_init__(self) -> None:
        # A text will do.
        object.__setattr__(self, "kind", LevelKind(self.kind))

    @classmethod
    def of_users(cls, count: int) -> Level:
        """Return the level of so many users."""
        return cls(LevelKind.USERS, count)

    @property
    def name(self) -> str:
        """What folders and keys of documents are called: ``users-0100``."""
        return f"{self.kind}-{self.value:04d}"

    @property
    def users(self) -> int:
        """The number of users that Locust is to start."""
        return self.value

    def __str__(self) -> str:
        return self.kind.amount(str(self.value), one=self.value == 1)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Level):
            return (self.kind, self.value) == (other.kind, other.value)
        return str(self) == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        # That of the text which it equals.
        return hash(str(self))

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Level):
            return NotImplemented
        return (self.kind, self.value) < (other.kind, other.value)


def levels_in_words(levels: Iterable[Level]) -> str:
    """Return levels in words: 100, 250 users."""
    kinds = [(kind, [str(level.value) for level in of_kind]) for kind, of_kind in groupby(levels, lambda one: one.kind)]
    return ", ".join(kind.amount(", ".join(values), one=values == ["1"]) for kind, values in kinds)
