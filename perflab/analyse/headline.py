"""What a sweep's verdict means, in one or two sentences: the first that anybody reads of it."""

from __future__ import annotations

from collections.abc import Sequence

from perflab.analyse.verdicts import Unjudged, Verdicts
from perflab.plan.objectives import Objectives
from perflab.vocabulary.verdict import Verdict

_MET = "Every objective is met, and every measurement can be trusted."
_DEFAULT_MET = (
    "Every measurement can be trusted, and the default objective is met, a success rate of at least 99 %: no other is "
    "set."
)
_NOTHING_SET = "Every measurement can be trusted. No objectives are set, so nothing else was judged."
_NONE_APPLIES = "Every measurement can be trusted. No objective applies at these levels, so nothing was judged."
_DEFAULT_MISSED = "The default objective is missed, a success rate of at least 99 %: no other is set."
_MISSED = "At least one objective is missed."
_SAYS_FAILED = "The locustfile itself says that it failed."
_INVALID = "At least one measurement can't be trusted: its figures must not be used."
_UNJUDGED = "The measurements can be trusted, but where so many requests failed no latency is passed."
_UNSTEADY = "The measurements can be trusted, but not all became steady: a little later the figures would differ."
_TOO_FEW = "The measurements can be trusted, but they are too few to decide every objective."


def headline(
    verdicts: Verdicts,
    objectives: Objectives,
    unjudged: Sequence[Unjudged],
    exceptions: int,
    many_connections: Sequence[str],
) -> str:
    """Return the meaning of a sweep's verdicts, with what went wrong besides and no objective judges.

    `exceptions` are those of the locustfile's tasks.
    """
    if verdicts.overall == Verdict.INVALID:
        return _INVALID
    aside = _first([group.line for group in unjudged])
    aside += [f"{exceptions} exceptions were raised in the locustfile's tasks"] if exceptions else []
    aside += _first(many_connections)
    sentence = _sentence(verdicts, objectives, unjudged)
    return f"{sentence} {'; '.join(aside)}." if aside else sentence


def _sentence(verdicts: Verdicts, objectives: Objectives, unjudged: Sequence[Unjudged]) -> str:
    judged = verdicts.judged
    if verdicts.overall == Verdict.FAIL:
        missed = _DEFAULT_MISSED if objectives.default else _MISSED
        return missed if any(one.verdict == Verdict.FAIL for one in judged) else _SAYS_FAILED
    if verdicts.overall == Verdict.INCONCLUSIVE:
        # More requests would change neither.
        if any(verdicts.unsteady.values()):
            return _UNSTEADY
        why = {one.judgement.advice for one in judged if one.verdict == Verdict.INCONCLUSIVE}
        return _UNJUDGED if why <= {group.words for group in unjudged} else _TOO_FEW
    if not judged:
        return _NONE_APPLIES if objectives.limits else _NOTHING_SET
    return _DEFAULT_MET if objectives.default else _MET


def _first(lines: Sequence[str]) -> list[str]:
    """Return the first of several lines of the same kind, with how many more there are."""
    more = f" (and {len(lines) - 1} more like it: see the notes)" if len(lines) > 1 else ""
    return [f"{line}{more}" for line in lines[:1]]
