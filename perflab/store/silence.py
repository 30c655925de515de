"""Whether the target answered until the end of a run, judged by the outcomes of its requests by second."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from perflab.plan.hosts import NOT_ALLOWED

NO_ANSWER = frozenset({"refused", "reset", "timeout", "dns", "unanswered"})
"""Outcomes of requests without an answer. An error page is an answer."""

Seen: TypeAlias = Mapping[tuple[int, str], tuple[float, int]]
"""By second and outcome: the longest latency in ms of the requests that began in it, and their number."""

# A pause is not the end: the target must have been silent for so long, and for so many answers at its rate before.
MIN_S = 3.0
MIN_MISSED = 10.0


@dataclass(frozen=True, slots=True)
class Silence:
    """From second `since_s` of the run on nothing was answered; `requests` were made in vain, with these outcomes."""

    since_s: int
    requests: int
    outcomes: tuple[str, ...]


def find_silence(seen: Seen, end_s: float) -> Silence | None:
    """Return the silence in which a run ended; None if its target answered until the end, or may have.

    `end_s` is the planned end. There is silence only if requests were made in vain until the end, and if at least ten
    answers were to be expected from the rate before.
    """
    # Requests that were never sent say nothing about the target.
    seen = {key: value for key, value in seen.items() if key[1] != NOT_ALLOWED}
    lost = {key: value for key, value in seen.items() if key[1] in NO_ANSWER}
    answered = {key: value for key, value in seen.items() if key[1] not in NO_ANSWER}
    first = min((second for second, _ in seen), default=0)
    # A request that began early may have been answered, or given up, late.
    last = max((_until(key, value) for key, value in answered.items()), default=first)
    in_vain = {key: value for key, value in lost.items() if _until(key, value) > last}
    silent_s = end_s - last
    tried_to_the_end = any(_until(key, value) > end_s - MIN_S for key, value in in_vain.items())
    if silent_s < MIN_S or not tried_to_the_end:
        return None
    rate = sum(count for _, count in answered.values()) / max(last - first, 1)
    if answered and silent_s * rate < MIN_MISSED:
        return None
    outcomes: Counter[str] = Counter()
    for (_, outcome), (_, count) in in_vain.items():
        outcomes[outcome] += count
    return Silence(math.ceil(last), outcomes.total(), tuple(outcome for outcome, _ in outcomes.most_common()))


def _until(key: tuple[int, str], value: tuple[float, int]) -> float:
    """Return when the last of a second's requests ended at the latest."""
    return key[0] + 1 + value[0] / 1000
