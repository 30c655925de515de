"""What a sweep's verdict means, in one or two sentences: the first that anybody reads of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perflab.vocabulary.verdict import Verdict

if TYPE_CHECKING:
    from perflab.analyse.sweep import Sweep

_MET = "Every objective is met, and every measurement can be trusted."
_DEFAULT_MET = (
    "Every measurement can be trusted, and the default objective is met, a success rate of at least 99 %: no other is "
    "set."
)
_NOTHING_SET = "Every measurement can be trusted. No objectives are set, so nothing else was judged."
_NONE_APPLIES = "Every measurement can be trusted. No objective applies at these user counts, so nothing was judged."
_DEFAULT_MISSED = "The default objective is missed, a success rate of at least 99 %: no other is set."
_MISSED = "At least one objective is missed."
_SAYS_FAILED = "The locustfile itself says that it failed."
_INVALID = "At least one measurement can't be trusted: its figures must not be used."
_UNJUDGED = "The measurements can be trusted, but where so many requests failed no latency is passed."
_UNSTEADY = "The measurements can be trusted, but not all became steady: a little later the figures would differ."
_TOO_FEW = "The measurements can be trusted, but they are too few to decide every objective."


def headline(sweep: Sweep) -> str:
    """Return the meaning of a sweep's verdict, with what went wrong besides and no objective judges."""
    if sweep.verdict == Verdict.INVALID:
        return _INVALID
    aside = _first([one.line for one in sweep.unjudged])
    if exceptions := sum(run.evidence.task_exceptions for run in sweep.run_manifests):
        aside.append(f"{exceptions} exceptions were raised in the locustfile's tasks")
    aside += _first(sweep.many_connections)
    return f"{_sentence(sweep)} {'; '.join(aside)}." if aside else _sentence(sweep)


def _sentence(sweep: Sweep) -> str:
    verdicts, default = sweep.verdicts["verdict"], sweep.manifest.objectives.default
    if sweep.verdict == Verdict.FAIL:
        missed = _DEFAULT_MISSED if default else _MISSED
        return missed if (verdicts == Verdict.FAIL).any() else _SAYS_FAILED
    if sweep.verdict == Verdict.INCONCLUSIVE:
        # More requests would change neither.
        if sweep.unsettled:
            return _UNSTEADY
        why = set(sweep.verdicts.loc[verdicts == Verdict.INCONCLUSIVE, "advice"])
        return _UNJUDGED if why <= {one.words for one in sweep.unjudged} else _TOO_FEW
    if verdicts.empty:
        return _NONE_APPLIES if sweep.manifest.objectives.limits else _NOTHING_SET
    return _DEFAULT_MET if default else _MET


def _first(lines: Sequence[str]) -> list[str]:
    """Return the first of several lines of the same kind, with how many more there are."""
    more = f" (and {len(lines) - 1} more like it: see the notes)" if len(lines) > 1 else ""
    return [f"{line}{more}" for line in lines[:1]]
