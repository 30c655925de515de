"""What perflab says of a measurement, and what each channel makes of it: shell, page, terminal, log."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal


class _Word(StrEnum):
    # As it is written; its name is its CSS class on pages.
    def __repr__(self) -> str:
        return repr(self.value)


class Verdict(_Word):
    """What is said of a measurement: each outranks those before it."""

    exit_code: int
    """What a shell gets; 2 is for what keeps a sweep from being run."""
    symbol: str
    """What stands before the word on pages."""
    emoji: str
    """What stands before the word in Markdown."""
    style: str
    """Its colour in a terminal, as rich names it."""
    log_level: Literal["info", "warning", "error"]
    """The level of its line in a log."""
    outcome: Literal["success", "failure", "unknown"]
    """The ``event.outcome`` of Elastic's Common Schema."""

    def __new__(cls, word: str, *channels: Any) -> Verdict:  # noqa: D102
        member = str.__new__(cls, word)
        member._value_ = word
        member.exit_code, member.symbol, member.emoji, member.style, member.log_level, member.outcome = channels
        return member

    PASS = "PASS", 0, "✓", "✅", "green", "info", "success"
    INCONCLUSIVE = "INCONCLUSIVE", 4, "?", "❔", "yellow", "warning", "unknown"
    FAIL = "FAIL", 1, "✗", "❌", "bold red", "error", "failure"
    INVALID = "INVALID", 3, "⊘", "⛔", "bold magenta", "error", "unknown"

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return the verdict that outranks the others; PASS of none."""
        return max(verdicts, key=list(cls).index, default=cls.PASS)

    @classmethod
    def listed(cls) -> str:
        """Return all of them, for a description."""
        *first, last = cls
        return f"{', '.join(first)} or {last}"

    @classmethod
    def exit_codes(cls) -> str:
        """Return the exit codes with their verdicts, for a description."""
        return ", ".join(f"{verdict.exit_code} {verdict}" for verdict in sorted(cls, key=lambda one: one.exit_code))


class Change(_Word):
    """What a comparison says of the candidate."""

    REGRESSION = "REGRESSION"
    NO_REGRESSION = "NO_REGRESSION"
    INCONCLUSIVE = Verdict.INCONCLUSIVE.value
    INVALID = Verdict.INVALID.value

    @property
    def verdict(self) -> Verdict:
        """What it is to a gate."""
        return {Change.REGRESSION: Verdict.FAIL, Change.NO_REGRESSION: Verdict.PASS}.get(self) or Verdict(self.value)

    @property
    def words(self) -> str:
        """How it is written for people."""
        return self.value.replace("_", " ")


class Finding(_Word):
    """What a comparison says of one figure, of a cell or of a group: a latency, a throughput or a rate of failures."""

    SLOWER = "slower"
    SLOWER_WITHIN_MARGIN = "slower, within the margin"
    FASTER = "faster"
    LOWER = "lower"
    LOWER_WITHIN_MARGIN = "lower, within the margin"
    HIGHER = "higher"
    MORE = "more"
    FEWER = "fewer"
    NO_MORE = "no more found"
    WITHIN_MARGIN = "within the margin"
    OPEN = "open"
    NOT_ASSESSABLE = "not assessable"

    @property
    def worse(self) -> bool:
        """Whether it makes a comparison a REGRESSION."""
        return self in (Finding.SLOWER, Finding.LOWER, Finding.MORE)

    @property
    def better(self) -> bool:
        """Whether the candidate is surely better."""
        return self in (Finding.FASTER, Finding.HIGHER, Finding.FEWER)

    @property
    def verdict(self) -> Verdict:
        """What it would be to a gate by itself; that gives it a symbol and a colour."""
        if self.worse:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if self in (Finding.OPEN, Finding.NOT_ASSESSABLE) else Verdict.PASS

    @property
    def marked(self) -> bool:
        """Whether it is to stand out among the rows of a table."""
        return self.worse or self.better or self is Finding.OPEN
