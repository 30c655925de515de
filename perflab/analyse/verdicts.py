"""The verdicts of all levels: each objective at each level, each level, and the sweep's reasons.

And the failures that no objective judges: a verdict on other figures must not pass over them in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from perflab.analyse.judge import fails_too_often, judge
from perflab.analyse.judgement import Judgement, reason
from perflab.analyse.observed import Observed
from perflab.plan.objectives import Objective, Objectives
from perflab.vocabulary.level import Level
from perflab.vocabulary.metric import ERROR_RATE, SUCCESS_RATE
from perflab.vocabulary.verdict import Verdict

MAX_OUTCOMES = 3
_DTYPES: dict[str, Any] = {
    "level": "object",
    "group": "str",
    "objective": "str",
    "endpoints": "str",
    "measured": "float64",
    "low": "float64",
    "high": "float64",
    "bound": "str",
    "limit": "float64",
    "samples": "int64",
    "effective_samples": "float64",
    "clock": "str",
    "verdict": pd.CategoricalDtype(pd.Index([verdict.value for verdict in Verdict], dtype="str")),
    "advice": "str",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One objective at one level."""

    level: Level
    objective: Objective
    judgement: Judgement

    @property
    def verdict(self) -> Verdict:
        """Its verdict."""
        return self.judgement.verdict

    @property
    def reason(self) -> str:
        """Why it is not passed, on one line; empty for PASS."""
        if self.verdict in {Verdict.PASS, Verdict.INVALID}:
            return "" if self.verdict == Verdict.PASS else self.judgement.advice
        return reason(self.objective, self.level, self.judgement)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was judged; why levels are INVALID, have failed whatever was judged, and are not steady: by level, a line
    each, mostly none."""

    judged: Sequence[Judged]
    distrust: Mapping[Level, Sequence[str]]
    failed: Mapping[Level, Sequence[str]]
    unsteady: Mapping[Level, Sequence[str]]

    @classmethod
    def of(
        cls,
        objectives: Objectives,
        distrust: Mapping[Level, Sequence[str]],
        failed: Mapping[Level, Sequence[str]],
        unsteady: Mapping[Level, Sequence[str]],
        unjudged: Mapping[tuple[Level, str], str],
        observed: Callable[[Level, Objective], Observed],
    ) -> Verdicts:
        """Judge every objective at every level of `distrust`; `observed` is given the level and the objective.

        What has not become steady is not passed, whatever its figures: they would be others a little later, and more
        seconds like these would not settle it. An objective that is missed all the same stays missed. `unjudged` says
        of groups by level that requests failed without an objective on that: a latency that fewer requests keep to than
        it says is not passed either.
        """
        groups = {group.name: group for group in objectives.groups}
        judged = []
        for level, doubts in distrust.items():
            for objective in objectives.limits:
                if not objective.applies_at(level):
                    continue
                seen = observed(level, objective)
                judgement = judge(objective, groups[objective.group], seen)
                passed, failures = judgement.verdict == Verdict.PASS, unjudged.get((level, objective.group))
                if doubts:
                    judgement = replace(judgement, verdict=Verdict.INVALID, advice=f"INVALID: {doubts[0]}")
                elif unsteady[level] and judgement.samples and judgement.verdict != Verdict.FAIL:
                    why = f"not steady: {unsteady[level][0]}"
                    judgement = replace(judgement, verdict=Verdict.INCONCLUSIVE, advice=why, unsteady=True)
                elif passed and failures is not None and fails_too_often(objective, seen):
                    judgement = replace(judgement, verdict=Verdict.INCONCLUSIVE, advice=failures)
                judged.append(Judged(level, objective, judgement))
        return cls(judged, distrust, failed, unsteady)

    @property
    def overall(self) -> Verdict:
        """The verdict that outranks those of all levels."""
        return Verdict.worst(self.of_level(level) for level in self.distrust)

    @property
    def reasons(self) -> list[str]:
        """Why the sweep does not pass, one line each, the worst first."""
        return [
            *(line for lines in self.distrust.values() for line in lines),
            *(line for level, lines in self.failed.items() if not self.distrust[level] for line in lines),
            *(one.reason for one in self.judged if one.verdict == Verdict.FAIL),
            *(line for level, lines in self.unsteady.items() if not self.distrust[level] for line in lines),
            *(one.reason for one in self.judged if one.verdict == Verdict.INCONCLUSIVE and not one.judgement.unsteady),
        ]

    def of_level(self, level: Level) -> Verdict:
        """Return a level's verdict; without objectives it is judged on validity alone."""
        if self.distrust[level]:
            return Verdict.INVALID
        verdicts = [one.verdict for one in self.judged if one.level == level]
        verdicts += [Verdict.FAIL] if self.failed[level] else []
        return Verdict.worst([*verdicts, Verdict.INCONCLUSIVE] if self.unsteady[level] else verdicts)

    def reasons_of(self, level: Level) -> list[str]:
        """Return why a level does not pass, one line each."""
        if self.distrust[level]:
            return list(self.distrust[level])
        open_or_failed = [one for one in self.judged if one.level == level and one.verdict != Verdict.PASS]
        return [
            *self.failed[level],
            *self.unsteady[level],
            *(one.reason for one in open_or_failed if not one.judgement.unsteady),
        ]

    def frame(self) -> pd.DataFrame:
        """Return one row per level and objective: see ``Sweep.verdicts``."""
        rows = [
            {
                "level": one.level,
                "group": one.objective.group,
                "objective": one.objective.metric,
                "endpoints": " ".join(one.objective.endpoints),
                "measured": one.judgement.measured,
                "low": one.judgement.bounds.low,
                "high": one.judgement.bounds.high,
                "bound": one.objective.bound,
                "limit": one.objective.limit,
                "samples": one.judgement.samples,
                "effective_samples": one.judgement.effective,
                "clock": one.judgement.clock,
                "verdict": one.verdict,
                "advice": one.judgement.advice,
            }
            for one in self.judged
        ]
        return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)

    def levels(self) -> pd.DataFrame:
        """Return one row per level: see ``Sweep.levels``."""
        rows = [(level, self.of_level(level), "\n".join(self.reasons_of(level))) for level in self.distrust]
        dtypes = {"level": _DTYPES["level"], "verdict": _DTYPES["verdict"], "reasons": "str"}
        return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A group at a level whose requests failed, in part or all, and for whose rates there is no limit."""

    level: Level
    group: str
    words: str
    """How many failed, and how, and that no objective judges that."""
    alone: bool
    """Whether there is no other group."""

    @property
    def line(self) -> str:
        """The same with the level and the group."""
        return f"{self.level}{'' if self.alone else f', [{self.group}]'}: {self.words}"


def find_unjudged(requests: pd.DataFrame, objectives: Objectives) -> list[Unjudged]:
    """Return one item per level and group of failures that no objective judges.

    `requests` has level, group, outcome and count, of the steady windows that are judged.
    """
    found = []
    counts = requests[requests["count"] > 0]
    groups_of = counts.groupby("level", observed=True)["group"].nunique()
    limited = [limit for limit in objectives.limits if limit.metric in (SUCCESS_RATE.name, ERROR_RATE.name)]
    cells: Any = counts.groupby(["level", "group"], observed=True)
    for (level, group), rows in cells:
        failed = rows[rows["outcome"] != "ok"].groupby("outcome")["count"].sum().sort_values(ascending=False)
        if failed.empty or any(limit.group == group and limit.applies_at(level) for limit in limited):
            continue
        share = float(failed.sum() / rows["count"].sum())
        outcomes = _listed([str(outcome).removeprefix("http_") for outcome in failed.index])
        words = f"{100 * share:.4g} % of requests failed ({outcomes}) and no objective judges that"
        found.append(Unjudged(level, group, words, alone=groups_of[level] == 1))
    return found


def _listed(outcomes: Sequence[str]) -> str:
    more = ["…"] if len(outcomes) > MAX_OUTCOMES else []
    return ", ".join([*outcomes[:MAX_OUTCOMES], *more])
