"""Did the target answer to the end of a run? What came of its requests, second by second, tells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from perflab.plan.hosts import NOT_ALLOWED

NO_ANSWER = frozenset({"refused", "reset", "timeout", "dns", "unanswered"})
"""Outcomes of requests that nobody has answered. An error page is an answer."""

Seen: TypeAlias = Mapping[tuple[int, str], tuple[float, int]]
"""By second and outcome the longest latency in ms of the requests that began then, and their number."""

# A pause is not the end: so long, and for so many answers of what the target gave before, it must have been silent.
LEAST_S = 3.0
LEAST_MISSED = 10.0


@dataclass(frozen=True, slots=True)
class Silence:
    """From second `since_s` of the run on nothing was answered; `requests` were made in vain, with these outcomes."""

    since_s: int
    requests: int
    outcomes: tuple[str, ...]


def find_silence(seen: Seen, end_s: float) -> Silence | None:
    """Return the silence that a run ended in; None if its target answered to its end, or may have.

    `end_s` is the planned end. A silence is one only where requests were made in vain up to its end, and where by the
    rate of answers before there should have been at least ten.
    """
    # What was never sent says nothing of the target.
    seen = {key: value for key, value in seen.items() if key[1] != NOT_ALLOWED}
    lost = {key: value for key, value in seen.items() if key[1] in NO_ANSWER}
    answered = {key: value for key, value in seen.items() if key[1] not in NO_ANSWER}
    first = min((second for second, _ in seen), default=0)
    # A request that began early may have been answered, or given up, late.
    last = max((_until(key, value) for key, value in answered.items()), default=first)
    in_vain = {key: value for key, value in lost.items() if _until(key, value) > last}
    silent_s = end_s - last
    tried_to_the_end = any(_until(key, value) > end_s - LEAST_S for key, value in in_vain.items())
    if silent_s < LEAST_S or not tried_to_the_end:
        return None
    rate = sum(count for _, count in answered.values()) / max(last - first, 1)
    if answered and silent_s * rate < LEAST_MISSED:
        return None
    outcomes: Counter[str] = Counter()
    for (_, outcome), (_, count) in in_vain.items():
        outcomes[outcome] += count
    return Silence(math.ceil(last), outcomes.total(), tuple(outcome for outcome, _ in outcomes.most_common()))


def _until(key: tuple[int, str], value: tuple[float, int]) -> float:
    """Return when the last of a second's requests was over at the latest."""
    return key[0] + 1 + value[0] / 1000
