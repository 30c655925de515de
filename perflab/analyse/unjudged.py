"""Failures that no objective judges: a verdict on other figures must not pass over them in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from perflab.plan.objectives import Objectives
from perflab.vocabulary.metric import ERROR_RATE, SUCCESS_RATE

MAX_OUTCOMES = 3


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A group at a level whose requests failed, in part or all, and for whose rates there is no limit."""

    users: int
    group: str
    words: str
    """How many failed, and how, and that no objective judges that."""
    alone: bool
    """Whether there is no other group."""

    @property
    def line(self) -> str:
        """The same with the level and the group."""
        return f"{self.users} users{'' if self.alone else f', [{self.group}]'}: {self.words}"


def find_unjudged(requests: pd.DataFrame, objectives: Objectives) -> list[Unjudged]:
    """Return one item per level and group of failures that no objective judges.

    `requests` has users, group, outcome and count, of the steady windows that are judged.
    """
    found = []
    counts = requests[requests["count"] > 0]
    groups_of = counts.groupby("users")["group"].nunique()
    limited = [limit for limit in objectives.limits if limit.metric in (SUCCESS_RATE.name, ERROR_RATE.name)]
    for key, rows in counts.groupby(["users", "group"], observed=True):
        users, group = int(str(key[0])), str(key[1])
        failed = rows[rows["outcome"] != "ok"].sort_values("count", ascending=False)
        if failed.empty or any(limit.group == group and users >= limit.from_users for limit in limited):
            continue
        share = float(failed["count"].sum() / rows["count"].sum())
        outcomes = _listed([str(outcome).removeprefix("http_") for outcome in failed["outcome"]])
        words = f"{100 * share:.4g} % of requests failed ({outcomes}) and no objective judges that"
        found.append(Unjudged(users, group, words, alone=groups_of[users] == 1))
    return found


def _listed(outcomes: Sequence[str]) -> str:
    more = ["…"] if len(outcomes) > MAX_OUTCOMES else []
    return ", ".join([*outcomes[:MAX_OUTCOMES], *more])
