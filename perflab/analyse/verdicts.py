"""The verdicts of all levels: each objective at each level, each level, and the sweep's reasons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from perflab.analyse.judge import Judgement, Observed, judge, worst
from perflab.analyse.wording import reason
from perflab.objectives import Objective, Objectives
from perflab.store.manifest import Verdict

_DTYPES: dict[str, Any] = {
    "users": "int64",
    "group": "str",
    "objective": "str",
    "measured": "float64",
    "low": "float64",
    "high": "float64",
    "bound": "str",
    "limit": "float64",
    "samples": "int64",
    "verdict": pd.CategoricalDtype(pd.Index(["PASS", "FAIL", "INVALID", "INCONCLUSIVE"], dtype="str")),
    "advice": "str",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One objective at one level."""

    users: int
    objective: Objective
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        """Its verdict."""
        return self.judgement.verdict

    @property
    def reason(self) -> str:
        """Why it is not passed, on one line."""
        return reason(self.objective, self.users, self.judgement)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was judged, and why levels are INVALID: by users, one line each, none for a level that can be trusted."""

    judged: Sequence[Judged]
    distrust: Mapping[int, Sequence[str]]

    @classmethod
    def of(
        cls, objectives: Objectives, distrust: Mapping[int, Sequence[str]], observed: Callable[[int, str], Observed]
    ) -> Verdicts:
        """Judge every objective at every level of `distrust`; `observed` is given users and a group's name."""
        groups = {group.name: group for group in objectives.groups}
        judged = []
        for users, doubts in distrust.items():
            for objective in objectives.limits:
                judgement = judge(objective, groups[objective.group], observed(users, objective.group))
                judged.append(Judged(users, objective, judgement.distrusted(doubts[0]) if doubts else judgement))
        return cls(judged, distrust)

    @property
    def overall(self) -> Verdict:
        """The verdict that outranks those of all levels."""
        return worst(self.of_level(users) for users in self.distrust)

    @property
    def reasons(self) -> list[str]:
        """Why the sweep does not pass, one line each, the gravest first."""
        return [
            *(line for lines in self.distrust.values() for line in lines),
            *(one.reason for one in self.judged if one.verdict == "FAIL"),
            *(one.reason for one in self.judged if one.verdict == "INCONCLUSIVE"),
        ]

    def of_level(self, users: int) -> Verdict:
        """Return a level's verdict; without objectives it is judged on validity alone."""
        return "INVALID" if self.distrust[users] else worst(one.verdict for one in self.judged if one.users == users)

    def reasons_of(self, users: int) -> list[str]:
        """Return why a level does not pass, one line each."""
        open_or_failed = [one for one in self.judged if one.users == users and one.verdict != "PASS"]
        return list(self.distrust[users]) or [one.reason for one in open_or_failed]

    def frame(self) -> pd.DataFrame:
        """Return a row a level and objective."""
        rows = [
            {
                "users": one.users,
                "group": one.objective.group,
                "objective": one.objective.metric,
                "measured": one.judgement.measured,
                "low": one.judgement.bounds.low,
                "high": one.judgement.bounds.high,
                "bound": one.objective.bound,
                "limit": one.objective.limit,
                "samples": one.judgement.samples,
                "verdict": one.verdict,
                "advice": one.judgement.advice,
            }
            for one in self.judged
        ]
        return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)

    def levels(self) -> pd.DataFrame:
        """Return a row a level."""
        rows = [(users, self.of_level(users), "\n".join(self.reasons_of(users))) for users in self.distrust]
        dtypes = {"users": "int64", "verdict": _DTYPES["verdict"], "reasons": "str"}
        return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)
